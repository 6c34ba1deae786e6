"""Rules for what processes share: pipes, locks on files, locks in shared memory, a launcher's standard input."""

from __future__ import annotations

from hangprobe.explain.case import Case, Cause, fork_evidence, is_forked_child
from hangprobe.model import Keeper, RankState, ThreadView, WaitKind


def launcher_stdin(case: Case) -> Cause | None:
    """A read of the very pipe or socket that the launcher gave the rank, and never feeds."""
    wait = case.view.wait
    if case.verdict.state is not RankState.LEAK or case.stdin is None or wait is None:
        return None
    if wait.object != case.stdin.object or wait.kind not in {WaitKind.PIPE_READ, WaitKind.SOCKET_READ}:
        return None
    proxies = ", ".join(f"pid {keeper.process.pid}" for keeper in wait.keepers)
    pid = case.process.id.pid
    return Cause(
        "launcher-stdin",
        False,
        (),
        "reads the launcher's stdin, which never ends for this rank",
        (
            f"pid {pid} waits in a read of {wait.object}, which is descriptor 0 of the rank's first process",
            f"its other end is held by {proxies} alone, the launcher's own",
            case.stdin.says,
        ),
    )


def leaked_file_lock(case: Case) -> Cause | None:
    """A lock on a file that a forked child keeps while the process that took it has given it up."""
    wait = case.view.wait
    if wait is None or wait.kind is not WaitKind.FILE_LOCK or not wait.keepers:
        return None
    if any(keeper.first is None for keeper in wait.keepers):
        return None
    is_certain = all(keeper.is_certain for keeper in wait.keepers)
    how = "which took the lock, runs and has the file no more" if is_certain else "which runs and has not the file open"
    kind = wait.object.partition(" ")[0]
    lines = tuple(
        f"the lock is kept by pid {each.process.pid}, forked without exec by pid {each.first.pid}, {how}"
        for each in wait.keepers
        if each.first is not None
    )
    more = () if is_certain else ("an OFD lock records nobody: the child may have taken it itself",)
    clause = "waits for a lock on a file that a forked child of another process keeps since the fork"
    return Cause("leaked-file-lock", not is_certain, (("lock", kind.lower()),), clause, (wait.object, *lines, *more))


def queue_feeder(case: Case) -> Cause | None:
    """A child that waits for its own thread, which writes to a full pipe whose reader waits for the child.

    Certain where the stack shows `_finalize_join`, by which multiprocessing joins a queue's feeder thread.
    """
    wait, process = case.view.wait, case.process.id
    if wait is None or wait.kind is not WaitKind.FUTEX_PRIVATE or not case.thread.is_main:
        return None
    feeder = next((each for each in case.members if each.id.process == process and _writes_to_pipe(each)), None)
    waiter = next((each for each in case.members if _waits_for(each, case)), None)
    if feeder is None or feeder.wait is None or waiter is None:
        return None
    frames = case.stack.frames if case.stack is not None else ()
    is_certain = any(frame.function.endswith("_finalize_join") for frame in frames)
    reader = waiter.id.process.pid
    return Cause(
        "queue-feeder-join",
        not is_certain,
        (),
        "waits for its feeder thread, which writes to a full pipe whose reader waits for this child",
        (
            f"thread {feeder.id.tid} of pid {process.pid} waits in a write to {feeder.wait.object}",
            f"pid {reader}, which could read it, waits for pid {process.pid} to end",
        ),
    )


def inherited_pipe_end(case: Case) -> Cause | None:
    """A reader whose pipe has its write end in forked children alone, while their parent has closed its own.

    Likely: a child that was meant to write, and waits itself, looks the same. A reader's own child is such a one.
    """
    wait = case.view.wait
    if wait is None or wait.kind is not WaitKind.PIPE_READ or not wait.keepers:
        return None
    kept = [keeper for keeper in wait.keepers if keeper.first is not None and keeper.first != case.process.id]
    if len(kept) < len(wait.keepers) or any(waker.process == case.process.id for waker in wait.wakers):
        return None
    return Cause(
        "inherited-pipe-end",
        True,
        (),
        "waits for the end of a pipe whose write end another forked child has inherited and keeps",
        (f"pid {case.process.id.pid} waits in a read of {wait.object}", *map(_keeper_line, kept)),
    )


def killed_lock_holder(case: Case) -> Cause | None:
    """A semaphore or mutex in shared memory that no process with that memory can give back."""
    wait = case.view.wait
    if wait is None or wait.kind is not WaitKind.FUTEX_SHARED:
        return None
    pids = sorted({waker.process.pid for waker in wait.wakers} - {case.process.id.pid})
    others = f"pids {', '.join(map(str, pids))}" if pids else "no other process"
    origin = fork_evidence(case) if is_forked_child(case) else ()
    return Cause(
        "lock-holder-killed",
        True,
        (),
        "waits for a lock in shared memory that no living process can give back: its holder has died, or waits itself",
        (f"the futex lies at {wait.object}", f"the same memory is mapped by {others}, of which none runs", *origin),
    )


def _writes_to_pipe(view: ThreadView) -> bool:
    return view.wait is not None and view.wait.kind is WaitKind.PIPE_WRITE


def _waits_for(view: ThreadView, case: Case) -> bool:
    is_wait = view.wait is not None and view.wait.kind is WaitKind.CHILD and view.id.process != case.process.id
    return is_wait and view.wait is not None and any(w.process == case.process.id for w in view.wait.wakers)


def _keeper_line(keeper: Keeper) -> str:
    first = f"pid {keeper.first.pid}" if keeper.first is not None else "a process"
    return (
        f"its write end is kept by pid {keeper.process.pid}, forked without exec by {first}, which has closed its own"
    )
