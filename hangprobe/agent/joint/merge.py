"""Digests of nodes -> the digest of the job. Pure, and quick: of a million ranks it is made anew whenever a node tells.

Each node has judged itself, so nothing is judged here: ranks are put in order, findings that say the same are told as
one, and doubts are added up. In which order the digests come never matters. Processes and waits of a finding are kept
of as many nodes as possible, so that somebody can go and look, but not of all: nobody reads a million.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import TypeVar

from hangprobe.agent.joint.lockwaits import explained
from hangprobe.context.classes import merge_classes
from hangprobe.digest import SHOWN, Digest
from hangprobe.explain.sentence import alike, sentence
from hangprobe.filewaits import FileHeld
from hangprobe.model import Launcher, RankState, Tier, Unreadable, Verdict
from hangprobe.ranksets import count, fold, fold_hosts, gaps, spoken, spoken_set, unite
from hangprobe.result import Finding, FoundProcess, FoundWait, RankResult

BADNESS = (Verdict.OK, Verdict.FAILED, Verdict.UNKNOWN, Verdict.STALL, Verdict.HANG)

Found = TypeVar("Found", FoundProcess, FoundWait)
Told = tuple[str | None, Finding]
"""A finding, and the one node that it is of; None: of several."""


def merge(digests: Sequence[Digest]) -> Digest:
    """Return the digest of a job from those of its nodes; ranks that none of them has told of are a doubt about it."""
    job = explained(unite_digests(digests))
    if not job.size or (len(job.ranks) == job.size and job.ranks[-1].rank == job.size - 1):
        return job
    missing = gaps(fold(rank.rank for rank in job.ranks), job.size)
    if not missing:
        return job
    unseen = Unreadable(spoken_set(missing), "on none of the nodes that were heard of")
    return job.but(is_known=False, unreadable=tuple(dict.fromkeys((*job.unreadable, unseen))))


def unite_digests(digests: Sequence[Digest]) -> Digest:
    """Return all that some nodes have told as one digest, without a word on ranks of which nobody has told."""
    ranks, doubts = _ranks(digests)
    findings = _findings(((digest.host, each) for digest in digests for each in digest.findings), ranks)
    return Digest(
        verdict=max((digest.verdict for digest in digests), key=BADNESS.index, default=Verdict.OK),
        is_known=all(digest.is_known for digest in digests),
        may_be_ended=any(d.may_be_ended for d in digests) and not any(each.assumptions for each in findings),
        launcher=min({d.launcher for d in digests} - {Launcher.NONE}, key=str, default=Launcher.NONE),
        size=max((digest.size for digest in digests if digest.size is not None), default=None),
        ranks=ranks,
        findings=findings,
        past=_findings(((digest.host, each) for digest in digests for each in digest.past), ranks),
        start_methods=_start_methods(digests),
        # Nodes sample side by side, each double collect is one more piece of evidence.
        samples=max((digest.samples for digest in digests), default=0),
        double_collects=sum(digest.double_collects for digest in digests),
        detected_after_s=_detected_after_s(digests),
        unreadable=(*_unreadable(digests), *doubts),
        contexts=merge_classes(digest.contexts for digest in digests),
        waits_for_files=tuple(sorted({wait for digest in digests for wait in digest.waits_for_files})),
        locks=tuple(sorted({lock for digest in digests for lock in digest.locks}, key=_lock)),
    )


# ranks


def _ranks(digests: Sequence[Digest]) -> tuple[tuple[RankResult, ...], list[Unreadable]]:
    """Return every rank once, in order, and a doubt about those that several nodes have told of."""
    told = list(chain.from_iterable(digest.ranks for digest in digests))
    numbers = [rank.rank for rank in told]
    if len(told) == max(numbers, default=-1) + 1 and min(numbers, default=0) == 0:
        slots: list[RankResult | None] = [None] * len(told)
        for number, rank in zip(numbers, told, strict=True):
            slots[number] = rank
        if all(slots):  # as many as there are numbers, and each is taken: three times as quick as sorting
            return tuple(slots), []  # type: ignore[arg-type]
    told.sort(key=attrgetter("rank"))
    kept: dict[int, RankResult] = {}
    twice: list[int] = []
    for rank in told:
        other = kept.setdefault(rank.rank, rank)
        if other is not rank:
            kept[rank.rank] = min(other, rank, key=_claim)
            twice.append(rank.rank)
    why = "more than one node has told of them: that which has not ended is kept, else that of the first node by name"
    return tuple(kept.values()), [Unreadable(spoken(twice), why)] if twice else []


def _claim(rank: RankResult) -> tuple[bool, str, int, int]:
    return (rank.state is RankState.EXITED, rank.host, rank.pid, rank.start_time)


def _lock(lock: FileHeld) -> tuple[object, ...]:
    return (lock.host, lock.rank, lock.pid, lock.file, lock.extent, lock.kept or "")


# findings


def _findings(findings: Iterable[Told], ranks: Sequence[RankResult]) -> tuple[Finding, ...]:
    """Return one finding for all that say the same, in order: the best founded, then the largest first."""
    groups: dict[tuple[object, ...], list[Told]] = {}
    for host, finding in findings:
        groups.setdefault(_sameness(finding), []).append((host, finding))
    found = [_told_as_one(group, ranks) for group in groups.values()]
    return tuple(sorted(found, key=_place))


def _sameness(finding: Finding) -> tuple[object, ...]:
    detail = tuple(sorted(finding.detail.items()))
    kind = (finding.mechanism, finding.tier, finding.likely, finding.recovered)
    return (*kind, detail, finding.assumptions, finding.mitigations)


def _place(finding: Finding) -> tuple[int, int, str, str]:
    """Return by what findings are ordered."""
    return (list(Tier).index(finding.tier), -count(finding.ranks), finding.mechanism, finding.says)


def _told_as_one(told: Sequence[Told], ranks: Sequence[RankResult]) -> Finding:
    """Return one finding for many: in the words, and with the evidence, of the one with the lowest rank."""
    group = [finding for _, finding in told]
    first = min(group, key=lambda finding: (_lowest(finding), finding.says))
    if len(group) == 1 and max(len(first.processes), len(first.waits)) <= SHOWN:
        return first
    united = unite(finding.ranks for finding in group)
    processes = _shown((host, finding.processes) for host, finding in told)
    waits = _shown((host, finding.waits) for host, finding in told)
    every_process = sum(finding.processes_total or len(finding.processes) for finding in group)
    every_wait = sum(finding.waits_total or len(finding.waits) for finding in group)
    one = first.but(
        ranks=united,
        processes=processes,
        waits=waits,
        evidence=_evidence(first, count(united) - 1, ranks) if len(group) > 1 else first.evidence,
        processes_total=every_process if every_process > len(processes) else None,
        waits_total=every_wait if every_wait > len(waits) else None,
    )
    return one.but(says=sentence(one))


def _lowest(finding: Finding) -> int:
    return int(finding.ranks.replace("-", ",").partition(",")[0] or 0)


def _evidence(first: Finding, others: int, ranks: Sequence[RankResult]) -> tuple[str, ...]:
    """Return the evidence of one of many, with the node that it is from, and how many more are alike."""
    lowest, known = _lowest(first), count(first.ranks) - 1
    at = bisect_left(ranks, lowest, key=attrgetter("rank"))
    host = ranks[at].host if at < len(ranks) and ranks[at].rank == lowest else "a node that has not told of it"
    place = f"this is what was seen of rank {lowest} on {host}"
    own = [line for line in first.evidence if line != place and (not known or line != alike(known))]
    return (*own, place, *([alike(others)] if others else [])) if own else ()


def _shown(parts: Iterable[tuple[str | None, Sequence[Found]]]) -> tuple[Found, ...]:
    """Return some of all that was found: one of each node, then a second of each, nodes in the order of their names.

    So a part of a part is the same as a part of all.
    """
    by_host: dict[str, list[Found]] = {}
    for host, part in parts:
        if host is not None:
            by_host.setdefault(host, []).extend(part[:SHOWN])
            continue
        for each in part:
            by_host.setdefault(each.host, []).append(each)
    chosen: list[Found] = []
    hosts, number = sorted(host for host, found in by_host.items() if found), 0
    while hosts and len(chosen) < SHOWN:
        chosen += [by_host[host][number] for host in hosts[: SHOWN - len(chosen)]]
        number += 1
        hosts = [host for host in hosts if len(by_host[host]) > number]
    return tuple(chosen)


# the rest


def _start_methods(digests: Sequence[Digest]) -> dict[str, str]:
    seen: dict[str, list[str]] = {}
    for digest in digests:
        for method, ranks in digest.start_methods.items():
            seen.setdefault(method, []).append(ranks)
    return {method: unite(seen[method]) for method in sorted(seen)}


def _detected_after_s(digests: Sequence[Digest]) -> float | None:
    """Return the longest time of the nodes that hang; None if one of them does not know its own."""
    times = [digest.detected_after_s for digest in digests if digest.verdict is Verdict.HANG]
    known = [time_s for time_s in times if time_s is not None]
    return max(known) if known and len(known) == len(times) else None


def _unreadable(digests: Sequence[Digest]) -> Iterator[Unreadable]:
    """Yield what could not be read with the nodes on which it could not, what is the same on many nodes once."""
    hosts: dict[Unreadable, list[str]] = {}
    for digest in digests:
        for each in digest.unreadable:
            hosts.setdefault(each, []).extend([digest.host] if digest.host is not None else [])
    for each in sorted(hosts, key=lambda each: (-len(hosts[each]), each.what, each.why)):
        where = f"{fold_hosts(hosts[each])}: " if hosts[each] else ""
        yield Unreadable(f"{where}{each.what}", each.why, each.barrier)
