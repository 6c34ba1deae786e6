"""Evidence to cause: ordered small rules, the first that fits names the mechanism of one rank.

A rule never claims more than its evidence. A lock that records no owner gives `likely`: a child that takes its own
lock twice looks the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hangprobe.evidence import LockFacts, MemoryOwner
from hangprobe.explain.case import Case, Cause, fork_evidence, is_forked_child, own_tids
from hangprobe.explain.shared import (
    inherited_pipe_end,
    killed_lock_holder,
    launcher_stdin,
    leaked_file_lock,
    queue_feeder,
)
from hangprobe.model import WaitKind

IMPORT_FRAMES = 6
"""How far from the top an import shows: the module lock is taken four frames inside importlib."""
OPENMP = re.compile(r"^lib(gomp|omp|iomp5)[.-]")
"""GCC's, LLVM's and Intel's runtime."""
C_LIBRARY = re.compile(r"^(libc|libpthread|ld-linux[^/]*)[.-]|^\[vdso\]$")

Rule = Callable[[Case], "Cause | None"]


def explain(cases: Sequence[Case]) -> tuple[Case, Cause]:
    """Return what the first rule that fits any of a rank's culprits makes of it; `cycle` fits always.

    `cases` are the culprits of one rank, the one that it depends on in the end first.
    """
    for rule in RULES:
        for case in cases:
            cause = rule(case)
            if cause is not None:
                return case, cause
    raise AssertionError("the last rule fits always")


def lost_openmp_team(case: Case) -> Cause | None:
    """A forked child inside an OpenMP runtime: it waits for team threads that were not forked with it."""
    wait = case.view.wait
    if wait is None or wait.kind is not WaitKind.FUTEX_PRIVATE or not is_forked_child(case):
        return None
    outside = [name for name in case.code if not C_LIBRARY.match(name)]
    if not outside or not OPENMP.match(outside[0]):
        return None
    return Cause(
        "openmp-pool-lost",
        False,
        (("runtime", outside[0].partition(".")[0].partition("-")[0]),),
        "waits in an OpenMP region for threads of the team, which were not forked with it",
        (
            f"pid {case.process.id.pid} waits inside {outside[0]} and has only the threads {own_tids(case)}",
            *fork_evidence(case),
        ),
    )


def orphaned_mutex(case: Case) -> Cause | None:
    """A pthread mutex names its owner: a thread of the fork parent, or at least none of the child."""
    mutex = case.view.wait.mutex if case.view.wait is not None else None
    if mutex is None or not is_forked_child(case) or _is_own_thread(case, mutex.owner):
        return None
    parent_threads = case.lineage.parent_threads if case.lineage is not None else ()
    is_certain = mutex.owner in parent_threads
    who = f"TID {mutex.owner}, a thread of {case.parent}" if is_certain else f"TID {mutex.owner}, which exists no more"
    return Cause(
        "fork-orphaned-lock",
        not is_certain,
        (("lock", "mutex"), ("mutex", mutex.kind)),
        "waits for a pthread mutex held at the fork by a thread of its parent, which does not exist in the child",
        (
            f"the mutex at {case.view.wait.object if case.view.wait else '?'} ({mutex.kind}) names its owner: {who}",
            f"pid {case.process.id.pid} has only the threads {own_tids(case)}",
            *fork_evidence(case),
        ),
    )


def own_mutex(case: Case) -> Cause | None:
    """A pthread mutex whose owner is the waiting thread itself, or another thread of the same knot."""
    mutex = case.view.wait.mutex if case.view.wait is not None else None
    if mutex is None or not _is_own_thread(case, mutex.owner):
        return None
    is_self = mutex.owner == case.thread.tid
    clause = "waits for a pthread mutex that it holds itself" if is_self else "waits for a pthread mutex in a circle"
    evidence = f"the mutex ({mutex.kind}) names its owner: TID {mutex.owner}, a thread of this very process"
    return Cause("deadlock", False, (("lock", "mutex"), ("mutex", mutex.kind)), clause, (evidence,))


def orphaned_python_lock(case: Case) -> Cause | None:
    """A semaphore of CPython's in a forked child, whose object is older than the fork."""
    lock = case.lock
    if lock is None or not lock.is_semaphore or not is_forked_child(case) or lock.is_older_than_fork is False:
        return None
    name = _lock_name(case, lock)
    evidence = [
        f"the semaphore at {lock.object} has the value 0 and a waiter, and no thread of pid {case.process.id.pid} "
        f"(threads {own_tids(case)}) can post it",
        *fork_evidence(case),
    ]
    if lock.is_older_than_fork:
        evidence.append(f"the same lock object stands at the same address in {case.parent}: it is older than the fork")
    if lock.parent_value is not None and lock.is_older_than_fork:
        held = "free now: released there after the fork" if lock.parent_value else "held now"
        evidence.append(f"the copy in {case.parent} is {held}")
    if lock.holder is not None:
        evidence.append(f"the lock records its holder at the fork: TID {lock.holder}, a thread of {case.parent}")
        clause = (
            f"waits for {_SPOKEN[name]} held at the fork by a thread of its parent, which does not exist in the child"
        )
        return Cause("fork-orphaned-lock", False, (("lock", name),), clause, tuple(evidence))
    clause = (
        f"waits for {_SPOKEN[name]} whose holder is not a running thread of it: held at the fork by a thread that "
        "does not exist in the child, or taken by the waiting thread itself"
    )
    return Cause("fork-orphaned-lock", True, (("lock", name),), clause, tuple(evidence))


def orphaned_futex(case: Case) -> Cause | None:
    """A private futex of unknown kind in a single-threaded forked child: no rule above knows the lock."""
    wait = case.view.wait
    if wait is None or wait.kind not in {WaitKind.FUTEX_PRIVATE, WaitKind.MUTEX} or not is_forked_child(case):
        return None
    if len(case.process.threads) > 1:
        return None
    if case.lock is not None and case.lock.is_semaphore:
        return None
    clause = (
        "waits on a private futex that no running thread of it can wake: held at the fork by a thread that does not "
        "exist in the child, or taken by the waiting thread itself"
    )
    lines = (f"private futex at {wait.object}; its word is no lock that records an owner", *fork_evidence(case))
    return Cause("fork-orphaned-lock", True, (("lock", "unknown"),), clause, lines)


def cycle(case: Case) -> Cause:
    """No rule knows it better: a deadlock, described by its wait."""
    lock, wait = case.lock, case.view.wait
    if lock is not None and lock.is_semaphore and lock.is_older_than_fork is False:
        clause = "waits for a Python lock that was made after the fork and that no running thread of it can release"
        younger = (
            f"the lock object of the semaphore at {lock.object} does not exist in {case.parent}: younger than the fork",
            f"pid {case.process.id.pid} has only the threads {own_tids(case)}",
        )
        return Cause("deadlock", False, (("lock", "python-lock"),), clause, younger)
    what = f"{wait.kind.value} {wait.object}" if wait is not None else "an unknown object"
    kind = wait.kind.value if wait is not None else "unknown"
    is_lone = wait is None or not wait.wakers
    clause = f"waits ({kind}) for what no running thread can give" if is_lone else f"waits in a circle ({kind})"
    wakers = "nobody" if is_lone else "only threads that wait themselves"
    evidence = (f"pid {case.process.id.pid} thread {case.thread.tid} waits for {what}; {wakers} could wake it",)
    return Cause("deadlock", False, (), clause, evidence)


RULES: tuple[Rule, ...] = (
    launcher_stdin,
    leaked_file_lock,
    lost_openmp_team,
    orphaned_mutex,
    own_mutex,
    queue_feeder,
    orphaned_python_lock,
    orphaned_futex,
    inherited_pipe_end,
    killed_lock_holder,
    cycle,
)

_SPOKEN = {
    "python-lock": "a Python lock",
    "rlock": "a Python RLock",
    "buffered-io": "the lock of a buffered stream",
    "import": "a module's import lock",
    "unknown": "a semaphore",
}


def _lock_name(case: Case, lock: LockFacts) -> str:
    frames = case.stack.frames[:IMPORT_FRAMES] if case.stack is not None else ()
    if any("importlib._bootstrap" in frame.file and "lock" in frame.function.lower() + frame.file for frame in frames):
        return "import"
    if any("importlib._bootstrap" in frame.file and frame.function in {"acquire", "__enter__"} for frame in frames):
        return "import"
    return "python-lock" if lock.owner is MemoryOwner.UNKNOWN and case.stack is not None else lock.owner.value


def _is_own_thread(case: Case, tid: int) -> bool:
    return any(thread.id.tid == tid for thread in case.process.threads)
