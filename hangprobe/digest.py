"""What is known of a job, or of its part on one node, in the words of the document about it.

The border between nodes: an observer tells its digest, the head merges what it was told (`agent.joint.merge`) and
concludes. Nothing in it has to be judged again, for edges between nodes are live: what holds on a node holds in the
job.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Protocol

from msgspec.structs import force_setattr

from hangprobe.context.classes import Classes, fold_contexts
from hangprobe.context.values import LaunchContext
from hangprobe.evidence import Suspects
from hangprobe.filewaits import FileHeld, FileWait
from hangprobe.judgement import Judgement, RankVerdict
from hangprobe.model import (
    DoubleCollect,
    Frozen,
    Launcher,
    ProcessId,
    RankState,
    RankView,
    StartMethod,
    Tier,
    Unreadable,
    Verdict,
)
from hangprobe.policy import Policy
from hangprobe.ranksets import check, fold, unfold
from hangprobe.result import Finding, RankResult

EXPLAINED = {RankState.BLOCKED, RankState.STALLED, RankState.UNKNOWN}
"""States of which a rank's entry says why."""
NO_VERDICT = {"dead-helper"}
"""Mechanisms that are reported and never make a verdict."""
SHOWN = 64
"""Processes and waits of a finding in the document: enough nodes to go to, and a page or two of JSON."""
LEAST_SHOWN = 8
"""Of those, what a node tells of its own however many nodes the job may have: it may be the only one that hangs."""


class Digest(Frozen, frozen=True, kw_only=True):
    """A job, or its part on one node, as it stands."""

    verdict: Verdict
    is_known: bool
    """Whether something is known of every rank: none is in state `unknown`."""
    may_be_ended: bool
    """Whether a hang in it is proven, rests on no assumption, and nobody else may still mean to end it."""
    launcher: Launcher
    size: int | None
    """How many ranks the whole job has; None if that is not known."""
    ranks: tuple[RankResult, ...]
    """In rank order; those that have ended are `exited`."""
    findings: tuple[Finding, ...]
    """Those that stand."""
    past: tuple[Finding, ...] = ()
    """Those that were found and stand no more."""
    start_methods: dict[str, str]
    """method -> ranks, folded."""
    samples: int
    double_collects: int
    detected_after_s: float | None
    unreadable: tuple[Unreadable, ...] = ()
    contexts: Classes = ()
    """What the launcher gave the ranks."""
    waits_for_files: tuple[FileWait, ...] = ()
    """The locks on files for which stalled ranks wait."""
    locks: tuple[FileHeld, ...] = ()
    """Those locks on files that were asked about, and that processes of the job have."""
    host: str | None = None
    """The node that it is of; None: of several, and what is unreadable says on which."""

    def __post_init__(self) -> None:
        """Raise ValueError (on the wire: a message that is not valid) for what is no set of ranks."""
        if self.host is not None:
            _share_words(self.ranks)
        for ranks in (*(finding.ranks for finding in (*self.findings, *self.past)), *self.start_methods.values()):
            check(ranks)


def _share_words(rows: tuple[RankResult, ...]) -> None:
    """Let equal words of a node's rows be one string: decoded, each row has its own copy of its host's name.

    Merging and telling a million rows is mostly waiting for memory; by this it takes up to a fourth less time and room.
    """
    one_of = dict[str, str]().setdefault
    for row in rows:
        force_setattr(row, "host", one_of(row.host, row.host))
        if row.mechanism is not None:
            force_setattr(row, "mechanism", one_of(row.mechanism, row.mechanism))
        if row.why is not None:
            force_setattr(row, "why", one_of(row.why, row.why))


class StartMethods(Protocol):
    """What was seen of how processes were started."""

    def ranks_by_method(self) -> Mapping[StartMethod, set[int]]:
        """Return which ranks have started children by which method."""

    def of(self, process: ProcessId) -> StartMethod | None:
        """Return how a process was started; None if that was not seen."""


class Observed(Protocol):
    """A job that was watched, or looked at: what its diagnosis says, and of which ranks."""

    judgement: Judgement | None
    double: DoubleCollect | None
    suspects: Suspects
    findings: tuple[Finding, ...]
    detected_after_s: float | None
    history: dict[tuple[str, Tier], Finding]
    ranks: tuple[RankView, ...]
    """Every rank that was seen, the ended ones included."""
    samples: int
    collects: list[float]
    policy: Policy
    contexts: dict[int, LaunchContext]
    """By rank: what its launcher gave it; of those that were looked into."""

    @property
    def methods(self) -> StartMethods:
        """How the ranks' children were started."""

    @property
    def verdict(self) -> Verdict:
        """The verdict as it stands."""

    @property
    def running(self) -> Set[int]:
        """The ranks that were there at the last look."""


def digest_of(observed: Observed) -> Digest:
    """Return what is known of the ranks that somebody has watched or looked at."""
    judged = observed.judgement.ranks if observed.judgement is not None else ()
    ranks = observed.ranks
    hosts = {rank.main.host for rank in ranks}
    size = next((rank.size for rank in ranks if rank.size is not None), None)
    most = share(len(ranks), size)
    return Digest(
        verdict=observed.verdict,
        is_known=all(rank.state is not RankState.UNKNOWN for rank in judged),
        may_be_ended=_may_be_ended(judged, observed.findings),
        launcher=ranks[0].launcher if ranks else Launcher.NONE,
        size=size,
        ranks=_ranks(observed, judged),
        findings=tuple(bounded(finding, most) for finding in observed.findings),
        past=tuple(bounded(each, most) for each in observed.history.values() if each not in observed.findings),
        start_methods={method.value: fold(ranks) for method, ranks in observed.methods.ranks_by_method().items()},
        samples=observed.samples,
        double_collects=len(observed.collects),
        detected_after_s=rounded(observed.detected_after_s),
        unreadable=_unreadable(observed),
        contexts=fold_contexts(_contexts(observed)),
        host=hosts.pop() if len(hosts) == 1 else None,
    )


def share(ranks: int, size: int | None) -> int:
    """Return of how many processes a node tells at most, a finding, if it has some ranks of a job of that size."""
    return SHOWN if size is None else max(LEAST_SHOWN, SHOWN * ranks // max(ranks, size, 1))


def bounded(finding: Finding, most: int) -> Finding:
    """Return a finding with no more processes and waits than that, and with how many there are."""
    processes, waits = finding.processes, finding.waits
    if len(processes) <= most and len(waits) <= most:
        return finding
    return finding.but(
        processes=processes[:most],
        waits=waits[:most],
        processes_total=finding.processes_total or (len(processes) if len(processes) > most else None),
        waits_total=finding.waits_total or (len(waits) if len(waits) > most else None),
    )


def _contexts(observed: Observed) -> dict[int, LaunchContext]:
    """Return what each rank was given, with how its children were started as seen until now."""
    methods: dict[int, list[StartMethod]] = {}
    for method, ranks in observed.methods.ranks_by_method().items():
        for rank in ranks:
            methods.setdefault(rank, []).append(method)
    return {
        rank: context.but(start_methods=tuple(sorted(methods.get(rank, ()))))
        for rank, context in observed.contexts.items()
    }


def rounded(value: float | None) -> float | None:
    """Return seconds as documents have them."""
    return None if value is None else round(value, 3)


def _may_be_ended(judged: tuple[RankVerdict, ...], findings: tuple[Finding, ...]) -> bool:
    has_assumptions = any(finding.assumptions for finding in findings)
    return not has_assumptions and any(
        rank.hung and rank.state is RankState.PROVEN and rank.spared is None for rank in judged
    )


def _ranks(observed: Observed, judged: tuple[RankVerdict, ...]) -> tuple[RankResult, ...]:
    verdicts = {verdict.rank: verdict for verdict in reversed(judged)}
    running = observed.running
    mechanisms: dict[int, str] = {}
    for finding in observed.findings:
        for rank in unfold(finding.ranks):
            mechanisms.setdefault(rank, finding.mechanism)
    return tuple(
        _rank(rank, verdicts.get(rank.rank), mechanisms.get(rank.rank), _detail(rank, observed.methods))
        if rank.rank in running
        else _ended(rank, _detail(rank, observed.methods))
        for rank in observed.ranks
    )


def _detail(rank: RankView, methods: StartMethods) -> dict[str, str] | None:
    """Return a rank's place in an ensemble of tasks; None if the job is none."""
    worker = rank.worker
    if worker is None:
        return None
    found = {"manager": str(worker.manager)}
    if worker.began is not None:
        found["began"] = f"{worker.began:.3f}"
    if worker.index is not None:
        found["worker"] = str(worker.index)
        if (method := methods.of(rank.main)) is not None:
            found["start_method"] = method.value
    if worker.task is not None:
        found |= {"task": str(worker.task), "workload": worker.workload}
    return found


def _rank(
    rank: RankView, verdict: RankVerdict | None, mechanism: str | None, detail: dict[str, str] | None
) -> RankResult:
    main = rank.main
    if verdict is None:
        state, since_s, why = RankState.PROGRESSING, None, None
    else:
        state, since_s = verdict.state, rounded(verdict.since_s)
        why = verdict.why if state in EXPLAINED else None
    mechanism = None if mechanism in NO_VERDICT else mechanism
    return RankResult(rank.rank, main.host, main.pid, main.start_time, since_s, mechanism, state, why, detail)


def _ended(rank: RankView, detail: dict[str, str] | None) -> RankResult:
    main = rank.main
    return RankResult(rank.rank, main.host, main.pid, main.start_time, None, None, RankState.EXITED, None, detail)


def _unreadable(observed: Observed) -> tuple[Unreadable, ...]:
    found = list(observed.suspects.unreadable)
    if observed.double is not None:
        found += [*observed.double.first.unreadable, *observed.double.second.unreadable]
    return tuple(dict.fromkeys(found))
