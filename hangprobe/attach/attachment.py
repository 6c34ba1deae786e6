"""A look at one tree of processes that runs already: nobody sampled it, so all is read at the time of the look.

What the watchdog learns by waiting is read instead: for how long a process has been quiet is the age of the last run
of its threads (`observe.clocks`). A child that came and went meanwhile without a thread of the tree being run is not
seen that way.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from hangprobe.diagnosis import Diagnosis
from hangprobe.judgement import Judgement, Progress, Quiet
from hangprobe.model import Barrier, DoubleCollect, ProcessId, RankState, RankView, Snapshot, Unreadable
from hangprobe.observe.alarms import expiries, real_timers
from hangprobe.observe.census import Census, Scope
from hangprobe.observe.context.gathering import Gathering
from hangprobe.observe.feeding import endless_stdin
from hangprobe.observe.methods import Methods
from hangprobe.observe.procfs import parse_environ
from hangprobe.observe.ranks import Relative, attribute, marker, with_newcomers
from hangprobe.observe.reader import Reader
from hangprobe.observe.snapshot import double_collect
from hangprobe.observe.trees import Tree
from hangprobe.observe.world import Lasting, World
from hangprobe.policy import Policy
from hangprobe.record import Look

Spare = Callable[[Look], Judgement]
"""Returns the judgement of a look, with some hangs taken back."""


@dataclass(slots=True, kw_only=True)
class Attachment(Diagnosis):
    """One tree that runs already, and what its looks have shown. Ends nothing, and starts nothing in it."""

    tree: Tree
    policy: Policy
    host: str
    reader: Reader = field(default_factory=Reader)
    lasting: Lasting = field(default_factory=Lasting)
    spare: Spare = field(default_factory=lambda: _unspared)
    """Takes back what somebody may still mean to end."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    ranks: tuple[RankView, ...] = ()
    """Every rank that was seen, the ended ones included."""
    progress: Mapping[int, Progress] = field(default_factory=dict)
    samples: int = 0
    collects: list[float] = field(default_factory=list)
    """When double collects were taken (monotonic seconds)."""
    methods: Methods = field(init=False)
    _running: frozenset[int] = frozenset()
    _own: Mapping[str, str] = field(init=False)
    _scope: Scope | None = field(init=False)

    def __post_init__(self) -> None:
        """Read what the tree was started with, as far as that can still be told."""
        self.methods = Methods(self.reader)
        self._own = self._starters_environment()
        self._scope = self._own_scope()

    @property
    def running(self) -> frozenset[int]:
        """The ranks that the last look saw."""
        return self._running

    @property
    def is_settled(self) -> bool:
        """Whether a further look would say no more: no sleeper may still end a knot, and /proc held still."""
        judged = self.judgement.ranks if self.judgement is not None else ()
        return not any(rank.pending or rank.barrier is Barrier.UNSETTLED for rank in judged)

    @property
    def calls_for_a_closer_look(self) -> bool:
        """Whether a look at this tree alone, with a scope of its own, might tell more than a shared one."""
        judged = self.judgement.ranks if self.judgement is not None else ()
        return self._scope is not None and any(
            rank.state is RankState.UNKNOWN or (rank.state is RankState.BLOCKED and not rank.pending) for rank in judged
        )

    def is_running(self) -> bool:
        """Tell whether a root of the tree still runs."""
        return any(self._is_there(root) for root in self.tree.roots)

    def members(self) -> list[ProcessId]:
        """Find the ranks, and return every process of theirs."""
        census = Census(self.reader, self.host)
        census.scan()
        found = list(self._relatives(census))
        ranks = attribute(found, self.tree.roots[0].pid, self.reader)
        self._remember(ranks)
        lineage = ((each.id, each.parent or 0, bool(census.stats[each.id.pid].is_forked)) for each in found)
        self.methods.see(ranks, lineage)
        return [member for rank in ranks for member in rank.members]

    def look(self, shared: DoubleCollect | None = None) -> bool:
        """Collect twice, judge and explain; return whether anything has changed.

        `shared` is a double collect of this tree's members and others.
        """
        members = self.members() if shared is None else [m for rank in self._seen() for m in rank.members]
        if shared is None:
            shared = double_collect(self._world, members, self.policy.collect_gap_s, self.clock, self.sleep)
        double = self._with_alarms(_part(shared, set(members), self.tree.without))
        self.samples += 1
        self.collects.append(double.first.ended_s)
        ranks = with_newcomers(self._seen(), double)
        self.progress = quiet_times(double, ranks)
        ranks = self._with_stdin(ranks)
        self._remember(ranks)
        self._read_contexts(ranks)
        found = self.judge(double, ranks, self.progress, self.policy.stall_after_s)
        judgement = self.spare(found)
        found = Look(judgement.at_s, double, ranks, found.progress, found.suspects, judgement, (), found.sightings)
        has_changed = self.judgement is None or self.is_changed_by(found)
        if has_changed:
            found = self.explain(found, self._world(), self.policy, self.clock)
        self.accept(found)
        self.name_victims(self.reader, self._seen(), self.policy)
        return has_changed

    def _read_contexts(self, ranks: tuple[RankView, ...]) -> None:
        """Read once what the launcher gave its ranks."""
        Gathering(self.reader, self.host, self.contexts).gather(ranks, self.clock(), is_last_chance=True)

    def _with_alarms(self, double: DoubleCollect) -> DoubleCollect:
        """Return a double collect that knows of alarms: whose they are, and since when, a shared one could not tell."""
        if double.second.alarms is not None or (set_now := expiries(self.reader)) is None:
            return double
        at_s = tuple(set_now.values())
        return DoubleCollect(double.first, double.second.but(alarms=bool(at_s), alarms_at_s=at_s))

    def _seen(self) -> tuple[RankView, ...]:
        return tuple(rank for rank in self.ranks if rank.rank in self._running)

    def _remember(self, ranks: tuple[RankView, ...]) -> None:
        known = {rank.rank: rank for rank in (*self.ranks, *ranks)}
        self.ranks = tuple(known[number] for number in sorted(known))
        self._running = frozenset(rank.rank for rank in ranks)

    def _relatives(self, census: Census) -> Iterator[Relative]:
        ahead = [root.pid for root in self.tree.roots if census.process(root.pid) == root]
        while ahead:
            pid = ahead.pop(0)
            process, stat = census.process(pid), census.stats[pid]
            if process is None or pid == os.getpid() or pid in self.tree.without or stat.has_ended:
                continue
            ahead += census.children(pid)
            mark = marker(self._environment(pid), self._own)
            yield Relative(process, stat.parent, stat.comm or "?", mark, stat.thread_count or 1)

    def _with_stdin(self, ranks: tuple[RankView, ...]) -> tuple[RankView, ...]:
        quiet = {number for number, its in self.progress.items() if its.quiet_s >= self.policy.stall_after_s}
        if not quiet:
            return ranks
        world = self._world()
        world.scan()
        return tuple(rank.but(stdin=endless_stdin(world, rank)) if rank.rank in quiet else rank for rank in ranks)

    def _environment(self, pid: int) -> Mapping[str, str]:
        data = self.reader.guarded(pid, "environ")
        return {} if isinstance(data, Unreadable) else parse_environ(data)

    def _starters_environment(self) -> Mapping[str, str]:
        """Return the environment of whoever started the tree: its variables name no rank of this job."""
        stat = self.reader.stat(self.tree.roots[0].pid)
        return {} if isinstance(stat, Unreadable) or not stat.parent else self._environment(stat.parent)

    def _own_scope(self) -> Scope | None:
        """Return what belongs to the job; with several roots, what they have from their starter cannot be told."""
        if len(self.tree.roots) != 1:
            return None
        root = self.tree.roots[0]
        standard = (self.reader.link(f"{root.pid}/fd/{number}") for number in range(3))
        inherited = frozenset(link for link in standard if not isinstance(link, Unreadable))
        # Whose an alarm(2) is cannot be told: any one on the node may be this tree's.
        return Scope(root, inherited, None if real_timers(self.reader) is None else frozenset())

    def _world(self) -> World:
        return World(self.reader, self.host, scope=self._scope, lasting=self.lasting)

    def _is_there(self, process: ProcessId) -> bool:
        stat = self.reader.stat(process.pid)
        return not isinstance(stat, Unreadable) and stat.start_time == process.start_time and not stat.has_ended


def _unspared(look: Look) -> Judgement:
    return look.judgement


def _part(double: DoubleCollect, members: Set[ProcessId], without: Set[int]) -> DoubleCollect:
    """Return what a double collect shows of some processes and their descendants, but for some."""

    def part(snapshot: Snapshot) -> Snapshot:
        kept: set[int] = set()
        views = []
        for view in snapshot.processes:  # parents come before their children
            if view.id.pid not in without and (view.id in members or view.parent in kept):
                kept.add(view.id.pid)
                views.append(view)
        return snapshot.but(processes=tuple(views))

    return DoubleCollect(part(double.first), part(double.second))


def quiet_times(double: DoubleCollect, ranks: tuple[RankView, ...]) -> dict[int, Progress]:
    """Return for how long each rank tree has not run, by the ages of its threads' last runs; 0 where one is not known.

    A process that the last collect did not see may have moved at any time; one that has ended moves no more. The
    thread in which an MPI runtime waits for its network moves nothing of the application's (assumption A2): Open MPI's
    wakes by itself once in two minutes, so half of all single looks would find it awake within a window of one.
    """
    clock_s = double.second.clock_s
    quiet_s: dict[ProcessId, float] = {}
    for process in double.second.processes:
        living = [thread for thread in process.threads if thread.state not in {"Z", "X"}]
        if process.threads and not living:
            quiet_s[process.id] = math.inf
            continue
        own = [thread for thread in living if not thread.is_runtime_helper] or living
        times = [thread.last_ran_s if thread.state == "S" else clock_s for thread in own]
        known = [time_s for time_s in times if time_s is not None]
        is_known = clock_s is not None and known and len(known) == len(times)
        quiet_s[process.id] = max(0.0, clock_s - max(known)) if is_known and clock_s is not None else 0.0
    found: dict[int, Progress] = {}
    for rank in ranks:
        quiet = ((member, quiet_s.get(member, 0.0)) for member in rank.members)
        each = tuple(Quiet(member, its_s) for member, its_s in quiet if its_s < math.inf)
        found[rank.rank] = Progress(rank.rank, min((quiet.quiet_s for quiet in each), default=0.0), each)
    return found
