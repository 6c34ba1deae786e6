"""Reports of nodes -> one diagnosis a job. Pure.

Each node is judged by itself: nodes that looked at different times share no instant, so an edge between two of them
says nothing. What holds on every node is then told as one, and ranks beside a hung one as its victims, wherever they
run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hangprobe.agent.look.nodereport import JobReport, NodeReport
from hangprobe.context.values import LaunchContext
from hangprobe.evidence import Suspects
from hangprobe.explain.findings import find
from hangprobe.judge.changes import blocked_for
from hangprobe.judge.verdict import judge, victims
from hangprobe.judgement import Judgement, RankVerdict
from hangprobe.model import (
    DoubleCollect,
    ProcessId,
    RankState,
    RankView,
    Snapshot,
    StartMethod,
    Tier,
    Unreadable,
    Verdict,
)
from hangprobe.observe.fed import is_at, with_stdin
from hangprobe.policy import Policy
from hangprobe.ranksets import spoken
from hangprobe.result import Finding
from hangprobe.starter import Starter


@dataclass(frozen=True, slots=True)
class Seen:
    """Start methods of the ranks' children, joined."""

    methods: Mapping[StartMethod, set[int]]

    def ranks_by_method(self) -> Mapping[StartMethod, set[int]]:
        """Return which ranks have started children by which method."""
        return self.methods

    def of(self, process: ProcessId) -> StartMethod | None:
        """Return None: nobody has told of single processes."""
        return None


@dataclass(slots=True)
class Joined:
    """One job on several nodes, judged and explained."""

    job: str
    command: tuple[str, ...]
    began_s: float
    policy: Policy
    judgement: Judgement | None
    double: DoubleCollect | None
    suspects: Suspects
    findings: tuple[Finding, ...]
    detected_after_s: float | None
    ranks: tuple[RankView, ...]
    methods: Seen
    samples: int
    collects: list[float]
    contexts: dict[int, LaunchContext] = field(default_factory=dict)
    history: dict[tuple[str, Tier], Finding] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The verdict as it stands."""
        return self.judgement.verdict if self.judgement is not None else Verdict.OK

    @property
    def running(self) -> set[int]:
        """All ranks: those that have ended were not reported."""
        return {rank.rank for rank in self.ranks}


def join(reports: Sequence[NodeReport], policy: Policy) -> list[Joined]:
    """Return the jobs of some nodes, those with most ranks first."""
    starters = [starter for report in reports for starter in report.starters]
    by_job: dict[str, list[JobReport]] = {}
    for report in reports:
        for job in report.jobs:
            by_job.setdefault(job.job, []).append(job)
    joined = (_join(name, parts, starters, policy) for name, parts in by_job.items())
    return sorted(joined, key=lambda job: (-len(job.ranks), job.job))


def _join(name: str, parts: Sequence[JobReport], starters: Sequence[Starter], policy: Policy) -> Joined:
    ranks: dict[int, RankView] = {}
    judgements: list[tuple[Judgement, DoubleCollect]] = []
    for part in parts:
        views = tuple(with_stdin(rank, starters) for rank in part.ranks if rank.rank not in ranks)
        ranks.update({rank.rank: rank for rank in views})
        judged = judge(part.double, views, part.progress, policy.stall_after_s, part.sightings)
        judgements.append((_with_what_is_around(judged, part.verdicts), part.double))
    judgement = victims(_united(judged for judged, _ in judgements), {rank for part in parts for rank in part.in_mpi})
    double = _everything(parts)
    suspects = Suspects(
        tuple(lock for part in parts for lock in part.suspects.locks),
        tuple(stack for part in parts for stack in part.suspects.stacks),
        tuple(lineage for part in parts for lineage in part.suspects.lineage),
        tuple(code for part in parts for code in part.suspects.code),
        tuple(failed for part in parts for failed in part.suspects.unreadable),
    )
    views = tuple(ranks[number] for number in sorted(ranks))
    ages = [blocked_for(judged, each, 0.0) for judged, each in judgements if judged.verdict is Verdict.HANG]
    known = [age_s for age_s in ages if age_s is not None]
    clocks_s = {part.double.second.host: part.double.second.clock_s for part in parts}
    return Joined(
        job=name,
        command=_command(name, parts, starters),
        began_s=min(part.began_s for part in parts),
        policy=policy,
        judgement=judgement,
        double=double,
        suspects=suspects,
        findings=find(judgement, double, views, suspects, clocks_s),
        detected_after_s=min(known) if known and len(known) == len(ages) else None,
        ranks=views,
        methods=Seen(_methods(parts)),
        samples=sum(part.looks for part in parts),
        collects=[part.double.first.ended_s for part in parts],
        contexts={rank: context for part in parts for rank, context in part.contexts.items()},
    )


def _with_what_is_around(judged: Judgement, on_node: Sequence[RankVerdict]) -> Judgement:
    """Take the node's word for ranks that it does not call hung, but for leaks: it has not seen every mpiexec."""
    spared = {verdict.rank: verdict for verdict in on_node if not verdict.hung}

    def chosen(verdict: RankVerdict) -> RankVerdict:
        is_spared = verdict.hung and verdict.state is not RankState.LEAK and verdict.rank in spared
        return spared[verdict.rank] if is_spared else verdict

    return judged.but(ranks=tuple(map(chosen, judged.ranks)))


def _command(name: str, parts: Sequence[JobReport], starters: Sequence[Starter]) -> tuple[str, ...]:
    """Return the command line of the job's mpiexec; on nodes where it does not run, that of what it started there."""
    told = (rank.stdin.starter for part in parts for rank in part.ranks if rank.stdin and rank.stdin.starter)
    addresses = {each for starter in told for each in starter.split(",")}
    addresses.add(name.removeprefix("mpiexec at "))
    known = [starter.command for starter in starters if any(is_at(starter, each) for each in addresses)]
    return next(iter(known), None) or next((part.command for part in parts if part.command), (name,))


def _united(judgements: Iterable[Judgement]) -> Judgement:
    every = list(judgements)
    return Judgement(
        max(each.at_s for each in every),
        frozenset().union(*(each.proven for each in every)),
        frozenset().union(*(each.blocked for each in every)),
        tuple(sorted((rank for each in every for rank in each.ranks), key=lambda rank: rank.rank)),
        tuple(sorted({assumption for each in every for assumption in each.assumes})),
    )


def _everything(parts: Sequence[JobReport]) -> DoubleCollect:
    """Return all that was seen, for explaining; nothing is judged by it, for its parts share no instant."""

    def together(snapshots: Sequence[Snapshot]) -> Snapshot:
        processes = tuple(process for snapshot in snapshots for process in snapshot.processes)
        unreadable = tuple(
            Unreadable(f"{snapshot.host}: {each.what}", each.why, each.barrier)
            for snapshot in snapshots
            for each in snapshot.unreadable
        )
        return Snapshot("", 0.0, 0.0, processes, unreadable)

    return DoubleCollect(together([part.double.first for part in parts]), together([p.double.second for p in parts]))


def _methods(parts: Iterable[JobReport]) -> dict[StartMethod, set[int]]:
    found: dict[StartMethod, set[int]] = {}
    for part in parts:
        for method, ranks in part.methods.items():
            found.setdefault(method, set()).update(ranks)
    return found


def missing(job: Joined) -> Unreadable | None:
    """Return which ranks of a job no node has told of; None if that is none, or its size is not known."""
    sizes = {rank.size for rank in job.ranks if rank.size is not None}
    if len(sizes) != 1:
        return None
    unseen = set(range(sizes.pop())) - {rank.rank for rank in job.ranks}
    return Unreadable(spoken(unseen), "on none of the nodes that answered") if unseen else None
