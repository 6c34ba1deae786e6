"""Waits that will not end as long as somebody keeps what he should have given up.

Two kinds. A *kept* lock or pipe end: a process has it by fork alone, the process from which it has it still runs and
has given it up, and the keeper itself is in a knot or has not moved for the window. And a *launcher's standard input*:
a process of the rank reads the very pipe or socket that the launcher gave the rank, every other holder of its other end
is one of the launcher's processes above the rank, and the launcher is known never to feed this rank. There the keepers
may be live, so nothing of the reader's may have moved for the window.

`exec 9>f; flock 9; work` looks like the first kind and is not: flock(1), which took the lock, has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from hangprobe.model import Keeper, ProcessId, ProcessView, RankView, ThreadId, ThreadView, WaitKind

_KEPT = {WaitKind.FILE_LOCK, WaitKind.PIPE_READ}
_STDIN = {WaitKind.PIPE_READ, WaitKind.SOCKET_READ}


@dataclass(frozen=True, slots=True)
class Leaks:
    """What a double collect and the watch before it say of leaks."""

    before: Mapping[ThreadId, ThreadView]
    views: Mapping[ThreadId, ThreadView]
    """The threads of the first and of the second collect; both must show a leak."""
    unmoved: Set[ThreadId]
    """Those that stayed in one wait between the collects, live or not."""
    processes: Mapping[ProcessId, ProcessView]
    in_knot: Set[ThreadId]
    quiet_s: Mapping[ProcessId, float]
    """For how long each process has not moved."""
    window_s: float

    def kept(self) -> frozenset[ThreadId]:
        """Return the threads that wait for what another process keeps since its fork."""
        both = ((thread, self.before[thread], self.views[thread]) for thread in self.unmoved)
        return frozenset(thread for thread, first, second in both if self._is_kept(first) and self._is_kept(second))

    def _is_kept(self, view: ThreadView) -> bool:
        wait = view.wait
        if wait is None or view.live is not None or wait.kind not in _KEPT or not wait.keepers:
            return False
        keepers = {keeper.process for keeper in wait.keepers}
        has_others = not {waker.process for waker in wait.wakers} <= keepers
        return not has_others and all(
            keeper.first is not None and keeper.first != view.id.process and self._keeps_still(keeper, wait.kind)
            for keeper in wait.keepers
        )

    def _keeps_still(self, keeper: Keeper, kind: WaitKind) -> bool:
        """Tell whether a keeper will not give up: in a knot, or asleep for the window with a lock that it has by fork.

        A write end may be with the child that is meant to write, which may well sleep for longer than any window.
        """
        view = self.processes.get(keeper.process)
        if view is None or not view.threads:
            return False
        if self.in_knot >= {thread.id for thread in view.threads}:
            return True
        is_asleep = all(thread.state == "S" and not thread.is_timed for thread in view.threads)
        is_quiet = self.quiet_s.get(keeper.process, 0.0) >= self.window_s
        return kind is WaitKind.FILE_LOCK and keeper.is_certain and is_asleep and is_quiet

    def launcher_stdin(self, rank: RankView) -> frozenset[ThreadId]:
        """Return the threads of a rank that read a standard input which never ends."""
        if rank.stdin is None or rank.stdin.starter is not None or self.quiet_s.get(rank.main, 0.0) < self.window_s:
            return frozenset()
        return frozenset(
            thread
            for thread in self.unmoved
            if thread.process in set(rank.members)
            and self.quiet_s.get(thread.process, 0.0) >= self.window_s
            and _reads_stdin(self.before[thread], rank.stdin.object, rank.stdin.ancestors)
            and _reads_stdin(self.views[thread], rank.stdin.object, rank.stdin.ancestors)
        )


def _reads_stdin(view: ThreadView, name: str, ancestors: Sequence[ProcessId]) -> bool:
    wait = view.wait
    if wait is None or wait.kind not in _STDIN or wait.object != name or not wait.keepers:
        return False
    return all(keeper.process in ancestors for keeper in wait.keepers)
