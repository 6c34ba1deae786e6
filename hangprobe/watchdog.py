"""The watch over one running job: sample, and where something could be a knot, collect twice, judge and explain.

Cheap while the job is healthy: a sample reads one small file a thread. When to look closer is `schedule`'s to say, what
the looks have shown is `diagnosis`'s; a hang that stands is only watched for a change until somebody ends it.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hangprobe.diagnosis import HUNG, Diagnosis
from hangprobe.model import Launcher, ProcessId, RankView, Unreadable, Verdict
from hangprobe.observe.alarms import real_timers
from hangprobe.observe.census import Scope
from hangprobe.observe.context.gathering import Gathering
from hangprobe.observe.crew import Crew, confirmed
from hangprobe.observe.fed import with_stdin
from hangprobe.observe.feeding import endless_stdin
from hangprobe.observe.methods import Methods
from hangprobe.observe.ranks import with_newcomers
from hangprobe.observe.reader import Reader
from hangprobe.observe.roots import Roots
from hangprobe.observe.sampler import Sample, Sampler
from hangprobe.observe.snapshot import double_collect
from hangprobe.observe.world import Lasting, World
from hangprobe.policy import Policy
from hangprobe.record import Writer
from hangprobe.schedule import Candidates, Schedule
from hangprobe.starter import Starter

RESTING_S = 1.0
"""Whoever waits in MPI polls, or looks up several times a second."""
PAUSE_S = 5.0
"""Longer than any step of the watchdog takes: whoever comes later than this was stopped."""


def set_alarms() -> frozenset[str] | None:
    """Return the alarm(2) timers that are set on the node; None if they may not be read. Ask before a job begins."""
    return real_timers(Reader())


@dataclass(slots=True)
class Watchdog(Diagnosis):
    """Watches everything below `root`, on this node: a pid of its own starting, or where a job of others begins here.

    `command` stands for the job where no launcher is recognised; None where that is not to be. The clock is monotonic;
    `sleep` waits between the two collects of a proof.
    """

    root: int | Roots
    command: int | None
    policy: Policy
    record: Writer
    reader: Reader = field(default_factory=Reader)
    host: str = field(default_factory=socket.gethostname)
    own: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    alarms: frozenset[str] | None = field(default_factory=set_alarms)
    """The alarm(2) timers that were set on the node before the job began."""
    inherited: frozenset[str] | None = None
    """What the job was started with and others may hold too; None: what hangprobe itself has open, where it started
    the job, else what its roots have as standard input and outputs."""
    scope_root: int | None = None
    """Whose descendants no other job can have anything to do with; None: the first root."""
    starters: tuple[Starter, ...] = ()
    """Commands that may have started these ranks from another node. May grow while the job is watched."""
    crew: Crew | None = None
    """The workers of this node, where the job is an ensemble of tasks."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    cpu_clock: Callable[[], float] = time.thread_time
    """The CPU time of this thread, in seconds."""

    sample: Sample | None = None
    ranks: tuple[RankView, ...] = ()
    """Every rank that was seen, the ended ones included."""
    samples: int = 0
    collects: list[float] = field(default_factory=list)
    """When double collects were taken (monotonic seconds)."""
    schedule: Schedule = field(init=False)
    methods: Methods = field(init=False)
    gathering: Gathering = field(init=False)
    _sampler: Sampler = field(init=False)
    _lasting: Lasting = field(default_factory=Lasting)
    roots: Roots = field(init=False)
    """Where the job begins on this node; may grow while it is watched."""

    def __post_init__(self) -> None:
        """Open the sampler."""
        self.schedule = Schedule(self.policy, self.clock())
        self.roots = Roots.of(self.root) if isinstance(self.root, int) else self.root
        self._sampler = Sampler(self.reader, self.host, self.roots, self.command, self.own, self.crew)
        self.methods = Methods(self.reader)
        self.gathering = Gathering(self.reader, self.host, self.contexts)
        if self.inherited is None and isinstance(self.root, int):
            self.inherited = frozenset(World(self.reader, self.host).own_links())

    @property
    def running(self) -> frozenset[int]:
        """The ranks that the last sample saw."""
        return frozenset(rank.rank for rank in self.sample.ranks) if self.sample is not None else frozenset()

    @property
    def resting(self) -> frozenset[int]:
        """The ranks in which nothing has moved for a while, and not yet for the window."""
        if self.sample is None:
            return frozenset()
        return self.sample.quiet(RESTING_S) - self.sample.quiet(self.policy.stall_after_s)

    def identities(self) -> list[tuple[int, int]]:
        """Return pid and start time of every process that the last sample saw."""
        return [(process.pid, process.start_time) for process, _, _ in self._sampler.lineage()]

    def close(self) -> None:
        """Close every file."""
        self._sampler.close()

    @property
    def interval_s(self) -> float:
        """Until the next sample."""
        return self.schedule.interval_s(self.sample.at_s if self.sample is not None else None)

    def tick(self) -> bool:
        """Take one sample and whatever it calls for; return whether the verdict or its findings have changed."""
        now_s, began_s = self.clock(), self.cpu_clock()
        self._leave_out_pause(now_s)
        before, sample = self.sample, self._sampler.sample(now_s)
        self.sample = sample
        self.samples += 1
        if before is None or sample.ranks is not before.ranks or sample.news != before.news:
            self._remember(sample.ranks)
            self.methods.see(sample.ranks, self._sampler.lineage())
        candidates = self.schedule.candidates_in(sample)
        is_due = self.schedule.is_due(candidates, sample, now_s, self)
        self.schedule.sampled(self.cpu_clock() - began_s)
        self.gathering.gather(sample.ranks, now_s)
        if is_due:
            return self._look(candidates, sample)
        if self.has_unnamed_victims:  # not before the hang itself has been told
            self.name_victims(self.reader, self.ranks, self.policy, resting=self.resting)
        return False

    def _leave_out_pause(self, now_s: float) -> None:
        """Count no time in which hangprobe itself was stopped (Ctrl-Z) as quiet or as standing."""
        pause_s = now_s - (self.sample.at_s if self.sample is not None else now_s) - self.interval_s
        if pause_s > PAUSE_S:
            self._sampler.forgive(pause_s)
            if self.standing_since_s is not None:
                self.standing_since_s += pause_s

    def look_again(self) -> Verdict:
        """Collect twice whatever the candidates are, and return the verdict: the last word before a job is ended."""
        if self.sample is not None:
            self._look(self.schedule.candidates, self.sample)
            self.gathering.gather(self.sample.ranks, self.clock(), is_last_chance=True)
        self.name_victims(self.reader, self.ranks, self.policy, resting=self.resting)
        return self.verdict

    def _look(self, candidates: Candidates, sample: Sample) -> bool:
        """Collect twice, judge, and explain what has changed."""
        ranks = self._sampler.attribute(is_forced=True)
        members = [member for rank in ranks for member in rank.members]
        double = double_collect(self._world, members, self.policy.collect_gap_s, self.clock, self.sleep)
        self.collects.append(double.first.ended_s)
        self.schedule.spent_s += double.second.ended_s - double.first.began_s
        ranks = self._with_stdin(with_newcomers(ranks, double))
        if self.crew is not None:
            ranks = confirmed(self.crew, ranks)
        look = self.judge(double, ranks, sample.progress, self.policy.stall_after_s)
        has_changed = self.is_changed_by(look)
        self.schedule.looked(candidates, self.clock())
        if has_changed:
            look = self.explain(look, self._world(), self.policy, self.clock)
            if look.findings or look.judgement.verdict in HUNG:
                self.record.write(look)
        self.accept(look)
        self._remember(ranks)
        return has_changed

    def _with_stdin(self, ranks: tuple[RankView, ...]) -> tuple[RankView, ...]:
        """Return the ranks; those that have been quiet for the window with a standard input that never ends."""
        quiet = self.schedule.quiet
        if not any(rank.rank in quiet for rank in ranks):
            return ranks
        world = self._world()
        world.scan()
        told = (rank.but(stdin=endless_stdin(world, rank)) if rank.rank in quiet else rank for rank in ranks)
        return tuple(with_stdin(rank, self.starters) if self.starters else rank for rank in told)

    def _remember(self, ranks: tuple[RankView, ...]) -> None:
        """Keep every rank that was ever seen; the command itself is none once its launcher's ranks have come."""
        known = {rank.rank: rank for rank in (*self.ranks, *ranks)}
        has_launcher = any(rank.launcher is not Launcher.NONE for rank in known.values())
        kept = [rank for rank in known.values() if not has_launcher or rank.launcher is not Launcher.NONE]
        self.ranks = tuple(sorted(kept, key=lambda rank: rank.rank))

    def _world(self) -> World:
        world = World(self.reader, self.host, lasting=self._lasting)
        root = self.roots.first if self.scope_root is None else self.scope_root
        stat = None if root is None else self.reader.stat(root)
        if root is not None and stat is not None and not isinstance(stat, Unreadable) and stat.start_time is not None:
            world.scope = Scope(ProcessId(self.host, root, stat.start_time), self._what_it_has(), self.alarms)
        return world

    def _what_it_has(self) -> frozenset[str]:
        """Return what the job was started with."""
        if self.inherited is not None:
            return self.inherited
        standard = (self.reader.link(f"{pid}/fd/{number}") for pid in self.roots.parents for number in range(3))
        return frozenset(link for link in standard if not isinstance(link, Unreadable))
