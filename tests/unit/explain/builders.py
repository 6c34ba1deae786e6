"""Cases by hand: what is known of the thread that holds a rank, and whole double collects of several ranks."""

from __future__ import annotations

from hangprobe.evidence import Frame, Lineage, LockFacts, MemoryOwner, Stack
from hangprobe.explain.case import Case
from hangprobe.judgement import RankVerdict
from hangprobe.model import (
    DoubleCollect,
    Launcher,
    Mutex,
    ProcessId,
    ProcessView,
    RankState,
    RankView,
    Snapshot,
    StartMethod,
    Stdin,
    ThreadId,
    ThreadView,
    Wait,
    WaitKind,
)

HOST = "node01"
PARENT, CHILD = 10, 20
WORD = "0x5000"
UNKNOWN_OWNER = 4_000_000


def process_id(pid: int) -> ProcessId:
    return ProcessId(HOST, pid, 1000 + pid)


def tid(pid: int, number: int | None = None) -> ThreadId:
    return ThreadId(process_id(pid), pid if number is None else number)


def thread(which: ThreadId, wait: Wait | None) -> ThreadView:
    return ThreadView(which, 5, "S", "202 ...", 7, wait, None if wait else "syscall: running", last_ran_s=100.0)


def on_futex(*wakers: ThreadId, mutex: Mutex | None = None, kind: WaitKind = WaitKind.FUTEX_PRIVATE) -> Wait:
    return Wait(kind, WORD, frozenset(wakers), mutex)


def lineage(
    pid: int = CHILD,
    parent: int | None = PARENT,
    method: StartMethod = StartMethod.FORK,
    threads: tuple[int, ...] = (10, 11),
) -> Lineage:
    return Lineage(process_id(pid), None if parent is None else process_id(parent), method, "python", threads)


def lock(
    owner: MemoryOwner = MemoryOwner.PYTHON_LOCK,
    *,
    pid: int = CHILD,
    is_older: bool | None = True,
    parent_value: int | None = 1,
    holder: int | None = None,
    is_semaphore: bool = True,
) -> LockFacts:
    return LockFacts(tid(pid), WORD, owner, is_semaphore, is_older, parent_value, holder)


def stack(*frames: tuple[str, str], pid: int = CHILD) -> Stack:
    return Stack(tid(pid), tuple(Frame(function, file, 7) for function, file in frames), "py-spy")


def case(
    wait: Wait | None = None,
    *beside: ThreadView,
    forked: bool | None = True,
    from_: Lineage | None = None,
    facts: LockFacts | None = None,
    at: Stack | None = None,
    code: tuple[str, ...] = (),
    members: tuple[ThreadView, ...] = (),
    stdin: Stdin | None = None,
    state: RankState = RankState.PROVEN,
) -> Case:
    """Return a child of rank 1 that was forked by pid 10 and waits for a lock.

    `beside` are other threads of the child, `members` others that the rank depends on.
    """
    view = thread(tid(CHILD), on_futex() if wait is None else wait)
    process = ProcessView(process_id(CHILD), PARENT, "python", forked, (view, *beside), None)
    verdict = RankVerdict(1, state, "its main thread is in the knot", True, (view.id,))
    origin = lineage() if from_ is None else from_
    return Case(verdict, view.id, view, process, origin, facts, at, code, (view, *members), stdin)


def _rank(number: int) -> RankView:
    main = process_id(100 * number)
    return RankView(number, Launcher.HYDRA, main, main, (main, process_id(100 * number + 1)))


HUNG_RANKS = (_rank(1), _rank(2))
"""Ranks 1 and 2, pids 100 and 200, each with a forked child, 101 and 201."""


def hung_double(signals: str | None = None, child_wait: Wait | None = None) -> DoubleCollect:
    """Return two collects of two ranks, each in wait4 on a child that waits for a lock."""
    processes: list[ProcessView] = []
    for rank in HUNG_RANKS:
        main, child = (ThreadId(process, process.pid) for process in rank.members)
        waits = Wait(WaitKind.CHILD, f"pid {child.tid}", frozenset({child}))
        processes.append(ProcessView(main.process, 1, "python", False, (thread(main, waits),), None))
        stuck = thread(child, child_wait or on_futex())
        processes.append(ProcessView(child.process, main.tid, "python", True, (stuck,), signals))
    first = Snapshot(HOST, 1.0, 2.0, tuple(processes), clock_s=103.0)
    return DoubleCollect(first, Snapshot(HOST, 3.0, 4.0, tuple(processes), clock_s=103.5))


def locks(owner: MemoryOwner = MemoryOwner.PYTHON_LOCK) -> tuple[LockFacts, ...]:
    return tuple(lock(owner, pid=rank.members[1].pid) for rank in HUNG_RANKS)


def lineages() -> tuple[Lineage, ...]:
    return tuple(lineage(rank.members[1].pid, rank.main.pid) for rank in HUNG_RANKS)
