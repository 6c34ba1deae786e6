"""The watch over one running job: sample, and where something could be a knot, collect twice, judge and explain.

Cheap while the job is healthy: a sample reads one small file a thread. A candidate that turns out to be no knot is
looked at again with growing pauses; a hang that stands is only watched for a change until somebody ends it.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hangprobe.evidence import Suspects
from hangprobe.explain.findings import find
from hangprobe.judge.changes import blocked_for, what_holds, what_stands
from hangprobe.judge.collects import threads
from hangprobe.judge.knot import knot
from hangprobe.judge.standing import uphold
from hangprobe.judge.verdict import judge, victims
from hangprobe.model import (
    DoubleCollect,
    Judgement,
    Launcher,
    ProcessId,
    Progress,
    RankState,
    RankView,
    Sighting,
    ThreadId,
    Tier,
    Unreadable,
    Verdict,
)
from hangprobe.observe.alarms import real_timers
from hangprobe.observe.candidates import Graphs, Task
from hangprobe.observe.census import Scope
from hangprobe.observe.feeding import endless_stdin
from hangprobe.observe.methods import Methods
from hangprobe.observe.reader import Reader
from hangprobe.observe.sampler import Sample, Sampler
from hangprobe.observe.snapshot import double_collect
from hangprobe.observe.suspects import read_bystanders, read_suspects
from hangprobe.observe.world import Lasting, World
from hangprobe.policy import Policy
from hangprobe.record import Look, Writer
from hangprobe.result import Finding

BACKOFF_FIRST_S = 0.5
"""The first pause after a candidate that was no knot."""

ALERT_S, ALERT_INTERVAL_S = 2.0, 0.1
"""For how long, and how often, to look after candidates have changed: the ranks of a job block one after the other."""

PAUSE_S = 5.0
"""Longer than any step of the watchdog takes: whoever comes later than this was stopped."""

Candidates = frozenset[tuple[Task, int]]
"""Threads with their run counts: the same set again is the same sleep of the same threads."""


def set_alarms() -> frozenset[str] | None:
    """Return the alarm(2) timers that are set on the node; None if they may not be read. Ask before a job begins."""
    return real_timers(Reader())


@dataclass(slots=True)
class Watchdog:
    """Watches everything below `root`, on this node.

    `command` stands for the job where no launcher is recognised. The clock is monotonic; `sleep` waits between the two
    collects of a proof.
    """

    root: int
    command: int
    policy: Policy
    record: Writer
    reader: Reader = field(default_factory=Reader)
    host: str = field(default_factory=socket.gethostname)
    own: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    alarms: frozenset[str] | None = field(default_factory=set_alarms)
    """The alarm(2) timers that were set on the node before the job began."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    sample: Sample | None = None
    judgement: Judgement | None = None
    double: DoubleCollect | None = None
    suspects: Suspects = field(default_factory=Suspects)
    findings: tuple[Finding, ...] = ()
    ranks: tuple[RankView, ...] = ()
    """Every rank that was seen, the ended ones included."""
    standing_since_s: float | None = None
    """Since when the present hang stands unchanged; None while there is none."""
    detected_after_s: float | None = None
    history: dict[tuple[str, Tier], Finding] = field(default_factory=dict)
    """The last finding of each mechanism and tier, whether it still stands or not."""
    samples: int = 0
    collects: list[float] = field(default_factory=list)
    """When double collects were taken (monotonic seconds)."""
    methods: Methods = field(init=False)
    _sampler: Sampler = field(init=False)
    _candidates: Candidates = frozenset()
    _knots: dict[int, tuple[Graphs, frozenset[Task]]] = field(default_factory=dict)
    """By rank: what was made of its graphs last."""
    _quiet: frozenset[int] = frozenset()
    """Ranks in which nothing has moved for the window."""
    _lasting: Lasting = field(default_factory=Lasting)
    _inherited: frozenset[str] = field(init=False)
    _pause_s: float = 0.0
    _due_s: float = 0.0
    _began_s: float = field(init=False)
    _spent_s: float = 0.0
    """What double collects have taken of the job's time so far."""
    _alert_until_s: float = 0.0
    _has_unnamed_victims: bool = False
    _sightings: dict[tuple[ThreadId, str], Sighting] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Open the sampler."""
        self._began_s = self.clock()
        self._sampler = Sampler(self.reader, self.host, self.root, self.command, self.own)
        self.methods = Methods(self.reader)
        self._inherited = frozenset(World(self.reader, self.host).own_links())

    @property
    def verdict(self) -> Verdict:
        """The verdict as it stands."""
        return self.judgement.verdict if self.judgement is not None else Verdict.OK

    def close(self) -> None:
        """Close every file."""
        self._sampler.close()

    def tick(self) -> bool:
        """Take one sample and whatever it calls for; return whether the verdict or its findings have changed."""
        now_s = self.clock()
        self._leave_out_pause(now_s)
        sample = self._sampler.sample(now_s)
        self.sample = sample
        self.samples += 1
        self._remember(sample.ranks)
        self.methods.see(sample.ranks, self._sampler.lineage())
        candidates = self._candidates_in(sample)
        if self._is_due(candidates, sample, now_s):
            return self._look(candidates, sample)
        if self._has_unnamed_victims:  # not before the hang itself has been told
            self._name_victims()
        return False

    def _leave_out_pause(self, now_s: float) -> None:
        """Count no time in which hangprobe itself was stopped (Ctrl-Z) as quiet or as standing."""
        pause_s = now_s - (self.sample.at_s if self.sample is not None else now_s) - self.policy.interval_s
        if pause_s > PAUSE_S:
            self._sampler.forgive(pause_s)
            if self.standing_since_s is not None:
                self.standing_since_s += pause_s

    def look_again(self) -> Verdict:
        """Collect twice whatever the candidates are, and return the verdict: the last word before a job is ended."""
        if self.sample is not None:
            self._look(self._candidates, self.sample)
        self._name_victims()
        return self.verdict

    def _candidates_in(self, sample: Sample) -> Candidates:
        """Return the threads worth a double collect: pipes and files count where they could hold a main thread."""
        found: set[Task] = set()
        for rank in sample.ranks:
            graphs = sample.graphs[rank.rank]
            known = self._knots.get(rank.rank)
            if known is None or known[0] is not graphs:
                wide = knot(graphs.wide)
                known = (graphs, wide if (rank.main.pid, rank.main.pid) in wide else knot(graphs.narrow))
                self._knots[rank.rank] = known
            found |= known[1]
        counted = ((task, sample.run_count(*task)) for task in found)
        return frozenset((task, count) for task, count in counted if count is not None)

    def _is_due(self, candidates: Candidates, sample: Sample, now_s: float) -> bool:
        """Tell whether this sample calls for a double collect."""
        if self.policy.collect_always:
            return bool(sample.ranks)
        quiet = frozenset(r for r, its in sample.progress.items() if its.quiet_s >= self.policy.stall_after_s)
        stalled, has_news = bool(quiet), not quiet <= self._quiet
        self._quiet = quiet
        if candidates != self._candidates and self._affords_collect(now_s):
            self._pause_s, self._alert_until_s = 0.0, now_s + ALERT_S
            if candidates or self.verdict is not Verdict.OK:
                return True
            self._candidates = candidates
        if not candidates and not stalled:
            return self.verdict is not Verdict.OK
        return now_s >= self._due_s or has_news or (self._has_sleeper_moved(sample) and self._affords_collect(now_s))

    def _affords_collect(self, now_s: float) -> bool:
        """Tell whether double collects have taken no more of the job's time than they may."""
        return self._spent_s <= self.policy.collect_burst_s + self.policy.collect_share * (now_s - self._began_s)

    @property
    def interval_s(self) -> float:
        """Until the next sample: shorter for a while after something began to wait that could wait for ever."""
        is_alert = self.sample is not None and self.sample.at_s < self._alert_until_s
        return min(self.policy.interval_s, ALERT_INTERVAL_S) if is_alert else self.policy.interval_s

    def _has_sleeper_moved(self, sample: Sample) -> bool:
        """Tell whether a timed sleeper that kept a knot from being a hang has run or gone since."""
        if self.judgement is None or self.double is None:
            return False
        counts = {thread.id: thread.run_count for p in self.double.second.processes for thread in p.threads}
        pending = [thread for rank in self.judgement.ranks for thread in rank.pending]
        return any(sample.run_count(each.process.pid, each.tid) != counts.get(each) for each in pending)

    def _sight(self, judgement: Judgement, double: DoubleCollect) -> None:
        """Remember the sleepers that may still end a wait; a sight that is older than the knot says nothing."""
        views, clock_s = threads(double.second), double.second.clock_s
        for rank in judgement.ranks:
            for view in (views[thread] for thread in rank.pending):
                if not view.is_timed or view.call is None or view.run_count is None or clock_s is None:
                    continue
                known = self._sightings.get((view.id, view.call))
                if known is None or (rank.closed_s is not None and known.clock_s < rank.closed_s):
                    self._sightings[view.id, view.call] = Sighting(view.id, view.call, view.run_count, clock_s)

    def _look(self, candidates: Candidates, sample: Sample) -> bool:
        """Collect twice, judge, and explain what has changed."""
        ranks = self._sampler.attribute(is_forced=True)
        members = [member for rank in ranks for member in rank.members]
        double = double_collect(self._world, members, self.policy.collect_gap_s, self.clock, self.sleep)
        self.collects.append(double.first.ended_s)
        self._spent_s += double.second.ended_s - double.first.began_s
        ranks = self._with_stdin(_complete(ranks, double))
        sightings = tuple(self._sightings.values())
        judgement = judge(double, ranks, sample.progress, self.policy.stall_after_s, sightings)
        if self.judgement is not None and self.double is not None:
            judgement = uphold(self.judgement, self.double.second, judgement, double.second)
        self._sight(judgement, double)
        has_changed = what_holds(judgement) != what_holds(self.judgement)
        self._candidates = candidates
        self._pause_s = min(self.policy.backoff_max_s, 2 * self._pause_s or BACKOFF_FIRST_S)
        self._due_s = self.clock() + self._pause_s
        if has_changed:
            self._change(judgement, double, ranks, sample.progress, sightings)
        self.judgement, self.double = judgement, double
        self._remember(ranks)
        return has_changed

    def _with_stdin(self, ranks: tuple[RankView, ...]) -> tuple[RankView, ...]:
        """Return the ranks; those that have been quiet for the window with a standard input that never ends."""
        if not any(rank.rank in self._quiet for rank in ranks):
            return ranks
        world = self._world()
        world.scan()
        return tuple(rank.but(stdin=endless_stdin(world, rank)) if rank.rank in self._quiet else rank for rank in ranks)

    def _remember(self, ranks: tuple[RankView, ...]) -> None:
        """Keep every rank that was ever seen; the command itself is none once its launcher's ranks have come."""
        known = {rank.rank: rank for rank in (*self.ranks, *ranks)}
        has_launcher = any(rank.launcher is not Launcher.NONE for rank in known.values())
        kept = [rank for rank in known.values() if not has_launcher or rank.launcher is not Launcher.NONE]
        self.ranks = tuple(sorted(kept, key=lambda rank: rank.rank))

    def _change(
        self,
        judgement: Judgement,
        double: DoubleCollect,
        ranks: tuple[RankView, ...],
        progress: Mapping[int, Progress],
        sightings: tuple[Sighting, ...],
    ) -> None:
        """Explain a new judgement."""
        is_hung = judgement.verdict in {Verdict.HANG, Verdict.STALL}
        if what_stands(judgement) != what_stands(self.judgement):
            self.standing_since_s = self.clock() if is_hung else None
        culprits = [thread for rank in judgement.ranks for thread in rank.culprits]
        deadline_s = self.policy.stacks_deadline_s if self.policy.has_stacks and is_hung else None
        self.suspects = read_suspects(self._world(), double.second, culprits, deadline_s, self._unchanged(double))
        findings = find(judgement, double, ranks, self.suspects)
        if judgement.verdict is Verdict.HANG and self.detected_after_s is None:
            self.detected_after_s = blocked_for(judgement, double, self.clock() - double.second.ended_s)
        self.findings = findings
        self.history.update({(finding.mechanism, finding.tier): finding for finding in findings})
        self._has_unnamed_victims = judgement.verdict is Verdict.HANG
        if findings or is_hung:
            self.record.write(
                Look(judgement.at_s, double, ranks, dict(progress), self.suspects, judgement, findings, sightings)
            )

    def _unchanged(self, double: DoubleCollect) -> Suspects:
        """Return what is known of suspects that have not run since it was read."""
        before = threads(self.double.second) if self.double is not None else {}
        after = threads(double.second)
        same = {each for each in after if each in before and before[each].run_count == after[each].run_count}
        return Suspects(
            tuple(lock for lock in self.suspects.locks if lock.thread in same),
            tuple(stack for stack in self.suspects.stacks if stack.thread in same),
        )

    def _name_victims(self) -> None:
        """Look into the ranks beside hung ones, and name those that wait for them in MPI."""
        self._has_unnamed_victims = False
        if self.judgement is None or self.verdict is not Verdict.HANG or not self.policy.has_stacks:
            return
        states = {RankState.PROGRESSING, RankState.STALLED}
        free = {verdict.rank for verdict in self.judgement.ranks if verdict.state in states and not verdict.hung}
        bystanders = [rank for rank in self.ranks if rank.rank in free]
        in_mpi = read_bystanders(self.reader, bystanders, self.policy.stacks_deadline_s)
        self.judgement = victims(self.judgement, in_mpi)

    def _world(self) -> World:
        world = World(self.reader, self.host, lasting=self._lasting)
        stat = self.reader.stat(self.root)
        if not isinstance(stat, Unreadable) and stat.start_time is not None:
            world.scope = Scope(ProcessId(self.host, self.root, stat.start_time), self._inherited, self.alarms)
        return world


def _complete(ranks: tuple[RankView, ...], double: DoubleCollect) -> tuple[RankView, ...]:
    """Add to each rank tree the processes that only the collects saw: children younger than the sample."""
    rank_of = {member.pid: rank.rank for rank in ranks for member in rank.members}
    added: dict[int, list[ProcessId]] = {}
    for process in double.second.processes:
        if process.id.pid not in rank_of and process.parent in rank_of:
            rank_of[process.id.pid] = rank_of[process.parent]
            added.setdefault(rank_of[process.parent], []).append(process.id)
    return tuple(rank.but(members=(*rank.members, *added.get(rank.rank, []))) for rank in ranks)
