"""Snapshots by hand: one rank whose main thread waits for a forked child that waits for a lock, and its relatives.

Every view is of one instant that both collects saw alike (`twice`); a test says only what differs from that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from hangprobe.judge.verdict import judge
from hangprobe.judgement import Judgement, Progress, Quiet, RankVerdict, Sighting
from hangprobe.model import (
    DoubleCollect,
    Launcher,
    ProcessId,
    ProcessView,
    RankView,
    Snapshot,
    ThreadId,
    ThreadView,
    Wait,
    WaitKind,
)

HOST = "node01"
WINDOW_S = 60.0
BLOCKED_AT_S = 100.0
"""When the threads below last ran, on the scheduler clock; the clock itself stands at `CLOCK_S`."""
CLOCK_S = 103.0
BETWEEN_S = 2.0
"""From the beginning of the first collect to that of the second."""

S = TypeVar("S", bound=msgspec.Struct)
MAIN, CHILD = 10, 20
"""The pids of a rank and of the child that it forked."""


def but(value: S, **changes: object) -> S:
    """Return a value with some fields changed."""
    return msgspec.structs.replace(value, **changes)


def process_id(pid: int, host: str = HOST) -> ProcessId:
    return ProcessId(host, pid, 1000 + pid)


def tid(pid: int, number: int | None = None) -> ThreadId:
    return ThreadId(process_id(pid), pid if number is None else number)


def futex(*wakers: ThreadId, word: str = "0x5000") -> Wait:
    return Wait(WaitKind.FUTEX_PRIVATE, word, frozenset(wakers))


def child_wait(*wakers: ThreadId) -> Wait:
    return Wait(WaitKind.CHILD, f"pid {CHILD}", frozenset(wakers))


def thread(which: ThreadId, wait: Wait | None) -> ThreadView:
    """Return a thread asleep in `wait`; live if there is none."""
    return ThreadView(
        id=which,
        start_time=1000 + which.tid,
        state="S",
        call="202 0x5000 0x189 0x0 0x0 0x0 0xffffffff 0x7ff0 0x7ff8",
        run_count=7,
        wait=wait,
        live=None if wait is not None else "syscall: running",
        last_ran_s=BLOCKED_AT_S,
    )


def process(
    *threads: ThreadView, parent: int = 1, signals: str | None = None, runtimes: tuple[str, ...] = ()
) -> ProcessView:
    which = threads[0].id.process
    return ProcessView(which, parent, "python", parent == MAIN, threads, signals, runtimes)


def snapshot(*processes: ProcessView) -> Snapshot:
    return Snapshot(HOST, 1.0, 2.0, tuple(processes), clock_s=CLOCK_S)


def twice(*processes: ProcessView) -> DoubleCollect:
    """Return two collects that saw the same, but that whoever runs has been running all the time between them."""
    second = but(snapshot(*processes), began_s=3.0, ended_s=4.0)
    first = snapshot(*(but(view, threads=tuple(map(_earlier, view.threads))) for view in processes))
    return DoubleCollect(first, second)


def _earlier(view: ThreadView) -> ThreadView:
    if view.state != "R" or view.runnable_s is None:
        return view
    return but(view, runnable_s=view.runnable_s - BETWEEN_S)


def waiting_main(*beside: ThreadView, signals: str | None = None, runtimes: tuple[str, ...] = ()) -> ProcessView:
    """Return the rank's process, its main thread in wait4 on the child."""
    return process(thread(tid(MAIN), child_wait(tid(CHILD))), *beside, signals=signals, runtimes=runtimes)


def stuck_child(*beside: ThreadView, signals: str | None = None) -> ProcessView:
    """Return the child: nobody but threads of its own could wake it."""
    others = [view.id for view in beside]
    return process(thread(tid(CHILD), futex(*others)), *beside, parent=MAIN, signals=signals)


def rank(*pids: int, main: int = MAIN) -> RankView:
    members = tuple(process_id(pid) for pid in pids or (MAIN, CHILD))
    return RankView(1, Launcher.HYDRA, members[0], process_id(main), members)


def numbered(number: int, *pids: int) -> RankView:
    """Return a rank of another number, whose first process stands for it."""
    return but(rank(*pids, main=pids[0]), rank=number)


def quiet(for_s: float, by_pid: Mapping[int, float] | None = None) -> dict[int, Progress]:
    """Return for how long the tree of rank 1 has been quiet, and each of its processes."""
    return {1: Progress(1, for_s, tuple(Quiet(process_id(pid), its_s) for pid, its_s in (by_pid or {}).items()))}


def aged(double: DoubleCollect, quiet_s: float) -> DoubleCollect:
    """Return the collects as they look when no thread has run for `quiet_s`."""
    clock_s = max(CLOCK_S, BLOCKED_AT_S + quiet_s)
    return DoubleCollect(but(double.first, clock_s=clock_s), but(double.second, clock_s=clock_s))


def judged(
    double: DoubleCollect,
    *pids: int,
    quiet_s: float = 0.0,
    by_pid: Mapping[int, float] | None = None,
    sightings: Sequence[Sighting] = (),
) -> Judgement:
    return judge(aged(double, quiet_s), [rank(*pids)], quiet(quiet_s, by_pid), WINDOW_S, sightings)


def verdict(
    processes: Iterable[ProcessView],
    quiet_s: float = 0.0,
    by_pid: Mapping[int, float] | None = None,
    sightings: Sequence[Sighting] = (),
) -> RankVerdict:
    """Return what is said of the one rank that all `processes` make up."""
    seen = tuple(processes)
    pids = [view.id.pid for view in seen]
    return judged(twice(*seen), *pids, quiet_s=quiet_s, by_pid=by_pid, sightings=sightings).ranks[0]


EPOLL_HELPER = but(
    thread(tid(MAIN, 11), None), is_runtime_helper=True, live="epoll: one of its descriptors is not understood"
)
"""A thread in which an MPI runtime waits for its network, beside a rank's main thread."""
SLEEPER = but(thread(tid(MAIN, 11), None), is_timed=True, live="sleep: sleeps for a set time")
WORKER = but(thread(tid(MAIN, 11), None), state="R", live="state: R", cpu_s=1.0, runnable_s=9.0)


def executor(*beside: ThreadView, **main: object) -> ProcessView:
    """Return a rank as ProcessPoolExecutor leaves it: main on a private futex, beside it a thread that waits for the
    child, and whatever else lives in the process."""
    manager = thread(tid(MAIN, 12), child_wait(tid(CHILD)))
    others = [manager, *beside]
    first = thread(tid(MAIN), futex(*(view.id for view in others)))
    return process(but(first, **main), *others)


def working(pid: int, *beside: ThreadView) -> ProcessView:
    """Return a process whose main thread runs."""
    return process(but(thread(tid(pid), None), state="R", live="state: R", cpu_s=1.0, runnable_s=9.0), *beside)
