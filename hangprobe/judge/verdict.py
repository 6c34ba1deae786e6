"""From a knot to a verdict on each rank, and on the job: a knot is not yet a hang.

A helper parked in `Event().wait()` until its parent terminates it is a knot, and healthy. A rank is hung if

1. its main thread is in the knot; or
2. all threads of some process of its tree are in the knot, the main thread is in an untimed wait from which that
   process is reachable along waker edges, and nothing in the tree has moved for the window. (An initialised MPI keeps
   a thread in epoll beside a main thread on a private futex, which may therefore never be in the knot itself.)

While a thread of the tree outside the knot may still mean to end it (a Timer that will terminate the child; see
`judge.beside`), neither applies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import partial

from hangprobe.judge.beside import live_beside, may_act
from hangprobe.judge.collects import blocked_through, threads, without_signals
from hangprobe.judge.knot import knot, reachable
from hangprobe.judge.progress import is_stalled
from hangprobe.model import (
    DoubleCollect,
    Judgement,
    ProcessId,
    ProcessView,
    Progress,
    RankState,
    RankVerdict,
    RankView,
    Sighting,
    ThreadId,
    ThreadView,
)
from hangprobe.ranksets import spoken


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
    scene = _Scene(double, stall_after_s, sightings)
    verdicts = tuple(scene.judge_rank(rank, progress.get(rank.rank)) for rank in ranks)
    return Judgement(double.second.ended_s, scene.proven, scene.blocked, verdicts)


def victims(judgement: Judgement, in_mpi: Set[int]) -> Judgement:
    """Return the judgement with ranks that wait inside MPI beside hung ones named as their victims.

    `in_mpi` are the ranks whose main thread has native frames of an MPI library.
    """
    hung = [rank.rank for rank in judgement.ranks if rank.hung]
    if not hung:
        return judgement
    ranks = tuple(
        RankVerdict(rank.rank, RankState.WAITING, f"waits in MPI for {spoken(hung)}", since_s=rank.since_s)
        if rank.state is RankState.PROGRESSING and rank.rank in in_mpi
        else rank
        for rank in judgement.ranks
    )
    return Judgement(judgement.at_s, judgement.proven, judgement.blocked, ranks)


class _Scene:
    """One double collect with its knots."""

    def __init__(self, double: DoubleCollect, stall_after_s: float, sightings: Sequence[Sighting]) -> None:
        self.sightings = sightings
        self.standing = blocked_through(double)
        self.unsignalled = without_signals(self.standing, double)
        self.proven = knot(self.unsignalled)
        self.blocked = knot(self.standing)
        self.stall_after_s = stall_after_s
        self.clock_s = double.second.clock_s
        self.views = threads(double.second)
        self.processes = {process.id: process for process in double.second.processes}

    def judge_rank(self, rank: RankView, progress: Progress | None) -> RankVerdict:
        main = ThreadId(rank.main, rank.main.pid)
        view = self.views.get(main)
        if view is None:
            return RankVerdict(rank.rank, RankState.UNKNOWN, "its main thread was not seen in the last collect")
        since_s = self._age(view)
        if main in self.blocked:
            return self._in_knot(rank, main, since_s)
        if view.state in {"T", "t"}:
            return RankVerdict(rank.rank, RankState.STOPPED, "stopped by a signal or a debugger")
        if view.state in {"Z", "X"}:
            return RankVerdict(rank.rank, RankState.EXITED, "its process has ended")
        if is_stalled(view, progress, self.stall_after_s):
            return self._quiet(rank, main, since_s)
        if view.state is None:
            return RankVerdict(rank.rank, RankState.UNKNOWN, "its main thread could not be read")
        return RankVerdict(rank.rank, RankState.PROGRESSING, view.live or "its wait can still end", since_s=since_s)

    def _in_knot(self, rank: RankView, main: ThreadId, since_s: float | None) -> RankVerdict:
        """Clause 1, and its two exceptions: signals, and a timer that may still end the wait."""
        is_proven = main in self.proven
        members = self.proven if is_proven else self.blocked
        culprits = self._culprits(main, members)
        closed_s = self._closed(culprits)
        say = partial(RankVerdict, rank.rank, culprits=culprits, closed_s=closed_s, since_s=since_s)
        if not is_proven:
            return say(state=RankState.BLOCKED, why=self._caught(culprits))
        if unread := self._unread(rank):
            return say(state=RankState.BLOCKED, why=f"the threads of pid {unread.pid} cannot be read")
        if pending := self._may_act(rank, members, closed_s):
            why = f"thread {pending[0].tid} of pid {pending[0].process.pid} sleeps for a set time, or has just begun"
            return say(state=RankState.BLOCKED, why=f"{why}: it may still end the wait", pending=pending)
        spared = live_beside(self._tree(rank), members, self.processes)
        return say(state=RankState.PROVEN, why="its main thread is in the knot", hung=True, spared=spared)

    def _quiet(self, rank: RankView, main: ThreadId, since_s: float | None) -> RankVerdict:
        """Clause 2, else a plain stall: nothing has moved for the window."""
        reach = reachable(main, self.unsignalled) if main in self.unsignalled else frozenset()
        for process in sorted({thread.process for thread in reach} - {rank.main}):
            own = [thread.id for thread in self.processes[process].threads] if process in self.processes else []
            if not own or process not in rank.members or not self.proven.issuperset(own):
                continue
            culprits = self._culprits(own[0], self.proven)
            closed_s = self._closed(culprits)
            if self._unread(rank) or self._may_act(rank, self.proven, closed_s):
                continue
            why = f"it depends on pid {process.pid}, which is in the knot, and nothing has moved for the window"
            spared = "its main thread is not in the knot itself"
            return RankVerdict(
                rank.rank, RankState.STALLED, why, True, culprits, closed_s, since_s=since_s, spared=spared
            )
        return RankVerdict(rank.rank, RankState.STALLED, "no thread of it has run for the window", since_s=since_s)

    def _culprits(self, start: ThreadId, members: Set[ThreadId]) -> tuple[ThreadId, ...]:
        """Return what `start` depends on within the knot, farthest from the main thread first."""
        reach = reachable(start, self.standing) & members
        return tuple(sorted(reach, key=lambda thread: (_is_child_wait(self.views.get(thread)), thread)))

    def _closed(self, culprits: Sequence[ThreadId]) -> float | None:
        """Return when the last of `culprits` blocked; None if one of them is not known."""
        times = [self.views[thread].last_ran_s for thread in culprits]
        known = [time_s for time_s in times if time_s is not None]
        return max(known) if known and len(known) == len(times) else None

    def _may_act(self, rank: RankView, members: Set[ThreadId], closed_s: float | None) -> tuple[ThreadId, ...]:
        tree = self._tree(rank)
        return may_act(tree, members, self.processes, closed_s, self.clock_s, self.sightings)

    def _unread(self, rank: RankView) -> ProcessId | None:
        """Return a process of the tree whose threads could not be read: one of them may be such a sleeper."""
        members = (self.processes[member] for member in rank.members if member in self.processes)
        return next((process.id for process in members if not process.threads), None)

    def _caught(self, culprits: Sequence[ThreadId]) -> str:
        """Say which process of a knot catches signals."""
        signalled = (self.processes[thread.process] for thread in culprits if thread.process in self.processes)
        catcher: ProcessView | None = next((process for process in signalled if process.signals), None)
        return f"pid {catcher.id.pid} {catcher.signals}" if catcher else "a process that it waits for catches signals"

    def _tree(self, rank: RankView) -> list[ThreadView]:
        """Return the threads of a rank tree, without the shells behind which its program runs: they only wait."""
        members = set(rank.members) - self._shells(rank)
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


def _is_child_wait(view: ThreadView | None) -> bool:
    return view is not None and view.wait is not None and view.wait.kind.value == "child"
