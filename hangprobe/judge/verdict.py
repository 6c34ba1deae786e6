"""From a knot to a verdict on each rank, and on the job: a knot is not yet a hang.

A helper parked in `Event().wait()` until its parent terminates it is a knot, and healthy. A rank is hung if

1. its main thread is in the knot; or
2. all threads of some process of its tree are in the knot, the main thread is in an untimed wait from which that
   process is reachable along waker edges, and nothing in the tree has moved for the window. (An initialised MPI keeps
   a thread in epoll beside a main thread on a private futex, which may therefore never be in the knot itself.)

If the knot has processes of other ranks, those ranks' main threads must be in it too: whoever works on may end them.
While a thread of the trees outside the knot may still mean to end it (a Timer that will terminate the child; see
`judge.beside`), neither applies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from functools import partial

from hangprobe.judge.beside import busy_threads, live_beside, may_act
from hangprobe.judge.collects import (
    assumptions,
    blocked_through,
    by_owner,
    threads,
    unmoved,
    without_helpers,
    without_signals,
)
from hangprobe.judge.knot import knot, reachable
from hangprobe.judge.leaks import Leaks
from hangprobe.judge.progress import is_stalled
from hangprobe.model import (
    DoubleCollect,
    Judgement,
    Keeper,
    ProcessId,
    ProcessView,
    Progress,
    RankState,
    RankVerdict,
    RankView,
    Sighting,
    ThreadId,
    ThreadView,
    WaitKind,
)
from hangprobe.ranksets import spoken

_SLEEPER = (
    "thread {0.tid} of pid {0.process.pid} may still end the wait: it sleeps for a set time, has just begun, or waits "
    "for something else"
)


_ALARM = "an alarm(2) was set on this node since the job began, by a process that cannot be told: it may end the wait"


def judge(
    double: DoubleCollect,
    ranks: Sequence[RankView],
    progress: Mapping[int, Progress],
    stall_after_s: float,
    sightings: Sequence[Sighting] = (),
) -> Judgement:
    """Return the two knots of a double collect and one verdict per rank, in the order of `ranks`.

    `sightings` are sleepers that earlier judgements named as pending, as they were seen then.
    """
    scene = _Scene(double, ranks, progress, stall_after_s, sightings)
    verdicts = tuple(scene.judge_rank(rank, progress.get(rank.rank)) for rank in ranks)
    assumes = assumptions(scene.proven, scene.standing, double)
    return Judgement(double.second.ended_s, scene.proven, scene.blocked, verdicts, assumes)


def victims(judgement: Judgement, in_mpi: Set[int]) -> Judgement:
    """Return the judgement with ranks that wait inside MPI beside hung ones named as their victims.

    `in_mpi` are the ranks whose main thread has native frames of an MPI library.
    """
    hung = [rank.rank for rank in judgement.ranks if rank.hung]
    if not hung:
        return judgement
    ranks = tuple(
        RankVerdict(rank.rank, RankState.WAITING, f"waits in MPI for {spoken(hung)}", since_s=rank.since_s)
        if rank.state in {RankState.PROGRESSING, RankState.STALLED} and not rank.hung and rank.rank in in_mpi
        else rank
        for rank in judgement.ranks
    )
    return judgement.but(ranks=ranks)


class _Scene:
    """One double collect with its knots."""

    def __init__(
        self,
        double: DoubleCollect,
        ranks: Sequence[RankView],
        progress: Mapping[int, Progress],
        stall_after_s: float,
        sightings: Sequence[Sighting],
    ) -> None:
        self.double = double
        self.sightings = sightings
        self.busy = busy_threads(double)
        self.standing = blocked_through(double)
        self.graph = without_helpers(self.standing, double)
        self.unsignalled = without_signals(self.graph, double)
        self.proven = knot(self.unsignalled)
        self.blocked = knot(by_owner(self.graph, double))
        self.stall_after_s = stall_after_s
        self.clock_s = double.second.clock_s
        self.views = threads(double.second)
        self.processes = {process.id: process for process in double.second.processes}
        self.rank_of = {member: rank for rank in ranks for member in rank.members}
        quiet_s = {each.process: each.quiet_s for its in progress.values() for each in its.processes}
        self.leaks = Leaks(
            threads(double.first), self.views, unmoved(double), self.processes, self.proven, quiet_s, stall_after_s
        )
        self.kept = self.leaks.kept()

    def judge_rank(self, rank: RankView, progress: Progress | None) -> RankVerdict:
        main = ThreadId(rank.main, rank.main.pid)
        view = self.views.get(main)
        if view is None:
            return RankVerdict(rank.rank, RankState.UNKNOWN, "its main thread was not seen in the last collect")
        since_s = self._age(view)
        in_knot = self._in_knot(rank, main, since_s) if main in self.blocked else None
        if in_knot is not None and in_knot.state is RankState.PROVEN:
            return in_knot
        if (leak := self._leak(rank, main, view, progress, since_s)) is not None:
            return leak
        if in_knot is not None:
            return in_knot
        if view.state in {"T", "t"}:
            return RankVerdict(rank.rank, RankState.STOPPED, "stopped by a signal or a debugger")
        if view.state in {"Z", "X"}:
            return RankVerdict(rank.rank, RankState.EXITED, "its process has ended")
        if is_stalled(view, progress, self.stall_after_s):
            return self._quiet(rank, main, since_s)
        if view.state is None:
            return RankVerdict(rank.rank, RankState.UNKNOWN, "its main thread could not be read")
        if (held := self._held(rank, main, since_s)) is not None:
            return held
        return RankVerdict(rank.rank, RankState.PROGRESSING, view.live or "its wait can still end", since_s=since_s)

    def _in_knot(self, rank: RankView, main: ThreadId, since_s: float | None) -> RankVerdict:
        """Clause 1: the main thread is in the knot, and so is whoever could end the processes it waits for."""
        is_proven = main in self.proven
        culprits = self._culprits(main, self.proven if is_proven else self.blocked)
        closed_s = self._closed(culprits)
        say = partial(RankVerdict, rank.rank, culprits=culprits, closed_s=closed_s, since_s=since_s)
        if not is_proven:
            return say(state=RankState.BLOCKED, why=self._caught(culprits))
        around = self._ranks_around(rank, culprits)
        if isinstance(around, str):
            return say(state=RankState.BLOCKED, why=around)
        if unread := self._unread(around):
            return say(state=RankState.BLOCKED, why=f"the threads of pid {unread.pid} cannot be read")
        if pending := self._may_act(around, self.proven, closed_s):
            return say(state=RankState.BLOCKED, why=_SLEEPER.format(pending[0]), pending=pending)
        if self._may_be_alarmed(closed_s):
            return say(state=RankState.BLOCKED, why=_ALARM)
        return say(
            state=RankState.PROVEN,
            why="its main thread is in the knot",
            hung=True,
            spared=live_beside(self._tree(around), self.proven),
            assumes=assumptions(culprits, self.standing, self.double),
        )

    def _ranks_around(self, rank: RankView, culprits: Sequence[ThreadId]) -> list[RankView] | str:
        """Return the ranks that have threads among the culprits; or who works on and may end one of them.

        A helper of another rank that is parked until its parent terminates it may well keep a lock until then.
        """
        around = {rank.rank: rank}
        for process in {thread.process for thread in culprits} - set(rank.members):
            other = self.rank_of.get(process)
            if other is None or ThreadId(other.main, other.main.pid) not in self.proven:
                works = f"rank {other.rank}, which works on" if other is not None else "none of the ranks"
                return f"it waits for pid {process.pid} of {works}"
            around[other.rank] = other
        return list(around.values())

    def _leak(
        self, rank: RankView, main: ThreadId, view: ThreadView, progress: Progress | None, since_s: float | None
    ) -> RankVerdict | None:
        """Return a verdict if the main thread depends on what is kept since a fork, or on a stdin that never ends."""
        endless = self.kept | self.leaks.launcher_stdin(rank)
        if not endless or view.state != "S" or view.is_timed:
            return None
        graph = {**self.graph, **dict.fromkeys(endless, frozenset[ThreadId]())}
        members = knot(graph)
        culprits = tuple(sorted(reachable(main, graph) & endless))
        is_quiet = progress is not None and progress.quiet_s >= self.stall_after_s
        if not culprits or not (main in members or is_quiet):
            return None
        closed_s = self._closed(culprits)
        say = partial(RankVerdict, rank.rank, culprits=culprits, closed_s=closed_s, since_s=since_s)
        keepers = (keeper.process for thread in culprits for keeper in _keepers(self.views[thread]))
        around = {each.rank: each for process in keepers if (each := self.rank_of.get(process)) is not None}
        if pending := self._may_act([rank, *around.values()], members, closed_s):
            return say(state=RankState.BLOCKED, why=_SLEEPER.format(pending[0]), pending=pending)
        if self._may_be_alarmed(closed_s):
            return say(state=RankState.BLOCKED, why=_ALARM)
        assumes = assumptions(reachable(main, graph) & graph.keys(), self.standing, self.double)
        why = "it waits for what another process keeps and does not give up"
        return say(state=RankState.LEAK, why=why, hung=True, spared="a leak, not a proof", assumes=assumes)

    def _held(self, rank: RankView, main: ThreadId, since_s: float | None) -> RankVerdict | None:
        """Return a verdict if the main thread depends on a lock on a file whose holder lives and works."""
        waits = {thread: self.views[thread].wait for thread in self.graph}
        held = {thread for thread, wait in waits.items() if wait is not None and wait.kind is WaitKind.FILE_LOCK}
        if not held or main not in knot({**self.graph, **dict.fromkeys(held, frozenset[ThreadId]())}):
            return None
        thread = min(reachable(main, self.graph) & held)
        wait = waits[thread]
        assert wait is not None
        holders = ", ".join(f"pid {keeper.process.pid}" for keeper in wait.keepers)
        return RankVerdict(rank.rank, RankState.BLOCKED, f"waits for {wait.object}, held by {holders}", since_s=since_s)

    def _quiet(self, rank: RankView, main: ThreadId, since_s: float | None) -> RankVerdict:
        """Clause 2, else a plain stall: nothing has moved for the window."""
        reach = reachable(main, self.unsignalled) if main in self.unsignalled else frozenset()
        for process in sorted({thread.process for thread in reach} - {rank.main}):
            own = [thread.id for thread in self.processes[process].threads] if process in self.processes else []
            if not own or process not in rank.members or not self.proven.issuperset(own):
                continue
            culprits = self._culprits(own[0], self.proven)
            closed_s = self._closed(culprits)
            around = self._ranks_around(rank, culprits)
            if isinstance(around, str) or self._unread(around) or self._may_be_alarmed(closed_s):
                continue
            if self._may_act(around, self.proven, closed_s):
                continue
            return RankVerdict(
                rank.rank,
                RankState.STALLED,
                f"it depends on pid {process.pid}, which is in the knot, and nothing has moved for the window",
                hung=True,
                culprits=culprits,
                closed_s=closed_s,
                since_s=since_s,
                spared="its main thread is not in the knot itself",
                assumes=assumptions(culprits, self.standing, self.double),
            )
        return RankVerdict(rank.rank, RankState.STALLED, "no thread of it has run for the window", since_s=since_s)

    def _culprits(self, start: ThreadId, members: Set[ThreadId]) -> tuple[ThreadId, ...]:
        """Return what `start` depends on within the knot, farthest from the main thread first."""
        reach = reachable(start, self.graph) & members
        return tuple(sorted(reach, key=lambda thread: (_is_child_wait(self.views.get(thread)), thread)))

    def _closed(self, culprits: Sequence[ThreadId]) -> float | None:
        """Return when the last of `culprits` blocked; None if one of them is not known."""
        times = [self.views[thread].last_ran_s for thread in culprits]
        known = [time_s for time_s in times if time_s is not None]
        return max(known) if known and len(known) == len(times) else None

    def _may_act(
        self, ranks: Iterable[RankView], members: Set[ThreadId], closed_s: float | None
    ) -> tuple[ThreadId, ...]:
        tree = self._tree(ranks)
        return may_act(tree, members, closed_s, self.clock_s, self.sightings, self.stall_after_s, self.busy)

    def _may_be_alarmed(self, closed_s: float | None) -> bool:
        """Tell whether an alarm(2), of whomever, may end the knot; one that has stood for the window is past that."""
        if not self.double.second.alarms:
            return False
        return closed_s is None or self.clock_s is None or self.clock_s - closed_s < self.stall_after_s

    def _unread(self, ranks: Iterable[RankView]) -> ProcessId | None:
        """Return a process of the trees whose threads could not be read: one of them may be such a sleeper."""
        members = (self.processes.get(member) for rank in ranks for member in rank.members)
        return next((process.id for process in members if process is not None and not process.threads), None)

    def _caught(self, culprits: Sequence[ThreadId]) -> str:
        """Say which process of a knot catches signals."""
        signalled = (self.processes[thread.process] for thread in culprits if thread.process in self.processes)
        catcher: ProcessView | None = next((process for process in signalled if process.signals), None)
        return f"pid {catcher.id.pid} {catcher.signals}" if catcher else "a process that it waits for catches signals"

    def _tree(self, ranks: Iterable[RankView]) -> list[ThreadView]:
        """Return the threads of rank trees, without the shells behind which their programs run: they only wait."""
        members = {member for rank in ranks for member in set(rank.members) - self._shells(rank)}
        return [view for view in self.views.values() if view.id.process in members]

    def _shells(self, rank: RankView) -> set[ProcessId]:
        by_pid = {process.id.pid: process for process in self.processes.values()}
        found: set[ProcessId] = set()
        at = self.processes.get(rank.main)
        while at is not None and at.id != rank.top and at.parent is not None:
            at = by_pid.get(at.parent)
            if at is None or at.id in found:
                break
            found.add(at.id)
        return found if rank.top in found else set()

    def _age(self, view: ThreadView) -> float | None:
        if self.clock_s is None or view.last_ran_s is None or view.state != "S":
            return None
        return max(0.0, self.clock_s - view.last_ran_s)


def _keepers(view: ThreadView) -> tuple[Keeper, ...]:
    return view.wait.keepers if view.wait is not None else ()


def _is_child_wait(view: ThreadView | None) -> bool:
    return view is not None and view.wait is not None and view.wait.kind.value == "child"
