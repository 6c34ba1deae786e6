"""Snapshots by hand: one rank whose main thread waits for a forked child that waits for a lock, and its relatives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from hangprobe.judge.verdict import judge
from hangprobe.model import (
    DoubleCollect,
    Judgement,
    Launcher,
    ProcessId,
    ProcessView,
    Progress,
    RankVerdict,
    RankView,
    Sighting,
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
    """Return two collects that saw the same."""
    first = snapshot(*processes)
    return DoubleCollect(first, but(first, began_s=3.0, ended_s=4.0))


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


def quiet(for_s: float) -> dict[int, Progress]:
    return {1: Progress(1, for_s)}


def judged(double: DoubleCollect, *pids: int, quiet_s: float = 0.0, sightings: Sequence[Sighting] = ()) -> Judgement:
    return judge(double, [rank(*pids)], quiet(quiet_s), WINDOW_S, sightings)


def verdict(processes: Iterable[ProcessView], quiet_s: float = 0.0, sightings: Sequence[Sighting] = ()) -> RankVerdict:
    """Return what is said of the one rank that all `processes` make up."""
    seen = tuple(processes)
    pids = [view.id.pid for view in seen]
    return judged(twice(*seen), *pids, quiet_s=quiet_s, sightings=sightings).ranks[0]
