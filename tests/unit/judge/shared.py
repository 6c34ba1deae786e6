"""Waits for what processes share, by hand: a lock on a file, the end of a pipe, a standard input, and who keeps them.

Rank 1 (pid 10) waits for what pid 40 keeps; pid 40 was forked by pid 30, the main process of rank 0.
"""

from __future__ import annotations

from collections.abc import Mapping

from hangprobe.judge.verdict import judge
from hangprobe.judgement import Judgement, Progress, Quiet, RankVerdict
from hangprobe.model import Keeper, ProcessView, Stdin, ThreadId, ThreadView, Wait, WaitKind

from .builders import (
    BLOCKED_AT_S,
    MAIN,
    WINDOW_S,
    aged,
    but,
    futex,
    numbered,
    process,
    process_id,
    thread,
    tid,
    twice,
    working,
)

FIRST, KEEPER = 30, 40
LOCK = "FLOCK on inode 00:1a:77"
PIPE = "pipe:[77]"
PROXY = 5
"""The launcher's process above the rank; it is no part of the job's snapshot."""


def kept_by(*pids: int, first: int | None = FIRST, is_certain: bool = True) -> tuple[Keeper, ...]:
    """Return keepers that have it by fork from `first`; None if that has ended or has it still."""
    origin = None if first is None else process_id(first)
    return tuple(Keeper(process_id(pid), origin, is_certain) for pid in pids or (KEEPER,))


def lock_wait(*keepers: Keeper, beside: tuple[ThreadId, ...] = (), kind: WaitKind = WaitKind.FILE_LOCK) -> Wait:
    """Return a wait for a lock on a file, or for the end of a pipe: its keepers' main threads could end it."""
    its = keepers or kept_by()
    wakers = frozenset(ThreadId(keeper.process, keeper.process.pid) for keeper in its) | frozenset(beside)
    return Wait(kind, LOCK if kind is WaitKind.FILE_LOCK else PIPE, wakers, keepers=its)


def waiter(wait: Wait | None = None, *beside: ThreadView) -> ProcessView:
    """Return rank 1, whose main thread waits for what is kept."""
    return process(thread(tid(MAIN), wait or lock_wait()), *beside)


def parked(pid: int = KEEPER) -> ProcessView:
    """Return a keeper that nobody can wake."""
    return process(thread(tid(pid), futex()), parent=FIRST)


def asleep(pid: int = KEEPER, **changes: object) -> ProcessView:
    """Return a keeper that sleeps in a wait that is not told, as one that polls a socket does."""
    sleeper = but(thread(tid(pid), None), live="poll: a socket is not understood", last_ran_s=BLOCKED_AT_S - 1.0)
    return process(but(sleeper, **changes), parent=FIRST)


def two_ranks(
    *processes: ProcessView, quiet_s: float = 0.0, by_pid: Mapping[int, float] | None = None, **more: object
) -> Judgement:
    """Judge rank 0, which works unless `processes` say otherwise, and rank 1, which has been quiet for `quiet_s`."""
    seen = {view.id: view for view in (working(FIRST), *processes)}
    zero = [view.id.pid for view in seen.values() if view.id.pid == FIRST or view.parent == FIRST]
    one = [view.id.pid for view in seen.values() if view.id.pid not in zero]
    ranks = [numbered(0, *zero), but(numbered(1, *one), **more)]
    quiet_of = tuple(Quiet(process_id(pid), its_s) for pid, its_s in (by_pid or {}).items())
    progress = {0: Progress(0, 0.0), 1: Progress(1, quiet_s, quiet_of)}
    return judge(aged(twice(*seen.values()), quiet_s), ranks, progress, WINDOW_S)


def rank_1(
    *processes: ProcessView, quiet_s: float = 0.0, by_pid: Mapping[int, float] | None = None, **more: object
) -> RankVerdict:
    """Return what is said of rank 1, which waits; rank 0 works on."""
    return two_ranks(*processes, quiet_s=quiet_s, by_pid=by_pid, **more).ranks[1]


def endless(name: str = PIPE, *ancestors: int) -> Stdin:
    """Return a standard input that the launcher never feeds."""
    return Stdin(name, tuple(process_id(pid) for pid in ancestors or (PROXY,)), "Hydra feeds rank 0 only")
