"""What the clauses of a verdict ask about a double collect: its knots, who belongs to them, who may still end them.

Made once for all ranks of a judgement. It says what is so; what follows from that for a rank is in `clauses`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from hangprobe.judge.beside import busy_threads, may_act
from hangprobe.judge.collects import (
    blocked_through,
    by_owner,
    threads,
    unmoved,
    unread_waits,
    without_helpers,
    without_signals,
)
from hangprobe.judge.knot import knot, reachable
from hangprobe.judge.leaks import Leaks
from hangprobe.judgement import Progress, Sighting
from hangprobe.model import DoubleCollect, ProcessId, ProcessView, RankView, ThreadId, ThreadView


class Scene:
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
        self.quiet_s = {each.process: each.quiet_s for its in progress.values() for each in its.processes}
        self.leaks = Leaks(
            threads(double.first), self.views, unmoved(double), self.processes, self.proven, self.quiet_s, stall_after_s
        )
        self.kept = self.leaks.kept()
        self.unread_waits = unread_waits(double)

    def culprits(self, start: ThreadId, members: Set[ThreadId]) -> tuple[ThreadId, ...]:
        """Return what `start` depends on within the knot, farthest from the main thread first."""
        reach = reachable(start, self.graph) & members
        return tuple(sorted(reach, key=lambda thread: (_is_child_wait(self.views.get(thread)), thread)))

    def closed(self, culprits: Sequence[ThreadId]) -> float | None:
        """Return when the last of `culprits` blocked; None if one of them is not known."""
        times = [self.views[thread].last_ran_s for thread in culprits]
        known = [time_s for time_s in times if time_s is not None]
        return max(known) if known and len(known) == len(times) else None

    def closed_by(self, culprits: Sequence[ThreadId]) -> float | None:
        """Return a time by which all of `culprits` had blocked: of a thread without a time, since when it was watched.

        Linux 6.12 and newer may move a sleeping thread to another processor, and then forget when it ran (se.exec_start
        is 0, measured once in some 60 threads).
        """
        times = [self.views[thread].last_ran_s or self._quiet_since(thread.process) for thread in culprits]
        known = [time_s for time_s in times if time_s is not None]
        return max(known) if known and len(known) == len(times) else None

    def _quiet_since(self, process: ProcessId) -> float | None:
        quiet_s = self.quiet_s.get(process, 0.0)
        return self.clock_s - quiet_s if self.clock_s is not None and quiet_s > 0 else None

    def may_act(
        self, ranks: Iterable[RankView], members: Set[ThreadId], closed_s: float | None
    ) -> tuple[ThreadId, ...]:
        """Return the threads of rank trees that may mean to end the knot of `members`."""
        tree = self.tree(ranks)
        return may_act(tree, members, closed_s, self.clock_s, self.sightings, self.stall_after_s, self.busy)

    def may_be_alarmed(self, closed_s: float | None) -> bool:
        """Tell whether an alarm(2) may end the knot within the window; what goes off later is not awaited."""
        second = self.double.second
        if not second.alarms:
            return False
        if closed_s is None or self.clock_s is None:
            return True
        until_s = closed_s + self.stall_after_s
        if self.clock_s >= until_s:
            return False
        return second.alarms_at_s is None or any(at_s <= until_s for at_s in second.alarms_at_s)

    def unread(self, ranks: Iterable[RankView]) -> ProcessId | None:
        """Return a process of the trees whose threads could not be read: one of them may be such a sleeper."""
        members = (self.processes.get(member) for rank in ranks for member in rank.members)
        return next((process.id for process in members if process is not None and not process.threads), None)

    def caught(self, culprits: Sequence[ThreadId]) -> str:
        """Say which process of a knot catches signals."""
        signalled = (self.processes[thread.process] for thread in culprits if thread.process in self.processes)
        catcher: ProcessView | None = next((process for process in signalled if process.signals), None)
        return f"pid {catcher.id.pid} {catcher.signals}" if catcher else "a process that it waits for catches signals"

    def tree(self, ranks: Iterable[RankView]) -> list[ThreadView]:
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

    def age(self, view: ThreadView) -> float | None:
        """Return for how long a thread has been in its wait; None if that is not known."""
        if self.clock_s is None or view.last_ran_s is None or view.state != "S":
            return None
        return max(0.0, self.clock_s - view.last_ran_s)

    def ranks_around(self, rank: RankView, culprits: Sequence[ThreadId]) -> list[RankView] | str:
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


def _is_child_wait(view: ThreadView | None) -> bool:
    return view is not None and view.wait is not None and view.wait.kind.value == "child"
