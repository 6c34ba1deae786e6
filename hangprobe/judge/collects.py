"""Two collects make a proof: which threads were blocked, in one and the same wait, at one common instant.

All first reads end before any second read begins. A thread that shows the same wait with the same arguments and the
same run count in both was never given a processor in between (`schedstat` counts each time), so it was blocked from
its first read to its second, and so at the instant between the collects: the double collect of an atomic snapshot
(Afek et al., "Atomic snapshots of shared memory", JACM 40(4), 1993). Edges are those of both collects, united.

Whatever does not fit makes a thread live, never dead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hangprobe.model import Assumption, DoubleCollect, ProcessView, Snapshot, ThreadId, ThreadView, WaitKind


def blocked_through(double: DoubleCollect) -> dict[ThreadId, frozenset[ThreadId]]:
    """Return the threads that were blocked through the whole interval, each with all its wakers."""
    if double.first.host != double.second.host or double.first.ended_s > double.second.began_s:
        return {}
    before = threads(double.first)
    after = threads(double.second)
    standing: dict[ThreadId, frozenset[ThreadId]] = {}
    for thread, second in after.items():
        first = before.get(thread)
        if first is None or first.wait is None or second.wait is None or not is_same_wait(first, second):
            continue
        standing[thread] = first.wait.wakers | second.wait.wakers
    return standing


def is_same_wait(first: ThreadView, second: ThreadView) -> bool:
    """Tell whether a thread stayed in one wait between two collects; False whenever that is not certain."""
    if first.live or second.live or first.wait is None or second.wait is None:
        return False
    known = (first.run_count, first.call, first.start_time, first.state)
    return (
        None not in known
        and known == (second.run_count, second.call, second.start_time, second.state)
        and first.state == "S"
        and (first.wait.kind, first.wait.object, first.wait.mutex)
        == (second.wait.kind, second.wait.object, second.wait.mutex)
    )


def without_signals(
    standing: dict[ThreadId, frozenset[ThreadId]], double: DoubleCollect
) -> dict[ThreadId, frozenset[ThreadId]]:
    """Return `standing` less every thread of a process that a signal might wake in a way that says something."""
    woken = {
        process.id for snapshot in (double.first, double.second) for process in snapshot.processes if process.signals
    }
    return {thread: wakers for thread, wakers in standing.items() if thread.process not in woken}


def without_helpers(
    standing: Mapping[ThreadId, frozenset[ThreadId]], double: DoubleCollect
) -> dict[ThreadId, frozenset[ThreadId]]:
    """Return `standing` without the threads in which MPI runtimes wait as wakers (assumption A2).

    Not so for private futexes: a runtime's own thread may well be the one that its library's locks wait for.
    """
    helpers, views = runtime_helpers(double), threads(double.second)
    return {thread: wakers if _is_private(views[thread]) else wakers - helpers for thread, wakers in standing.items()}


def runtime_helpers(double: DoubleCollect) -> frozenset[ThreadId]:
    """Return the threads that are an MPI runtime's own in both collects."""
    first, second = (
        {view.id for view in threads(snapshot).values() if view.is_runtime_helper}
        for snapshot in (double.first, double.second)
    )
    return frozenset(first & second)


def assumptions(
    members: Iterable[ThreadId], standing: Mapping[ThreadId, frozenset[ThreadId]], double: DoubleCollect
) -> tuple[Assumption, ...]:
    """Return what must be assumed for these threads of a knot to have no other wakers."""
    helpers = runtime_helpers(double)
    both = (threads(double.first), threads(double.second))
    found: set[Assumption] = set()
    for thread in members:
        waits = [views[thread].wait for views in both if thread in views]
        found.update(assumption for wait in waits if wait is not None for assumption in wait.assumes)
        if helpers & standing.get(thread, frozenset()) and not _is_private(both[1][thread]):
            found.add(Assumption.A2)
    return tuple(sorted(found))


def by_owner(
    graph: Mapping[ThreadId, frozenset[ThreadId]], double: DoubleCollect
) -> dict[ThreadId, frozenset[ThreadId]]:
    """Return the graph in which a lock that names its owner is released by nobody else: good for `blocked` at most."""
    before, after = threads(double.first), threads(double.second)
    narrowed: dict[ThreadId, frozenset[ThreadId]] = {}
    for thread, wakers in graph.items():
        owners = [wait.owner for wait in (before[thread].wait, after[thread].wait) if wait is not None]
        known = [owner for owner in owners if owner is not None]
        narrowed[thread] = frozenset().union(*known) if len(known) == 2 else wakers
    return narrowed


def unmoved(double: DoubleCollect) -> frozenset[ThreadId]:
    """Return the threads that have not run between the collects and show the same call, whatever it is."""
    before = threads(double.first)
    return frozenset(
        thread
        for thread, view in threads(double.second).items()
        if (first := before.get(thread)) is not None
        and None not in (view.call, view.run_count, view.start_time)
        and (first.call, first.run_count, first.start_time) == (view.call, view.run_count, view.start_time)
        and first.state == view.state == "S"
    )


def unread_waits(double: DoubleCollect) -> dict[ThreadId, frozenset[ThreadId]]:
    """Return the threads that slept through the interval in a wait that may not be read, with the wakers in sight."""
    before = threads(double.first)
    found: dict[ThreadId, frozenset[ThreadId]] = {}
    for thread, view in threads(double.second).items():
        first = before.get(thread)
        if first is None or view.barrier is None or None in (view.run_count, view.start_time):
            continue
        same = (first.call, first.run_count, first.start_time) == (view.call, view.run_count, view.start_time)
        if same and first.state == view.state == "S":
            found[thread] = view.wait.wakers if view.wait is not None else frozenset()
    return found


def _is_private(view: ThreadView) -> bool:
    return view.wait is not None and view.wait.kind in {WaitKind.FUTEX_PRIVATE, WaitKind.MUTEX}


def threads(snapshot: Snapshot) -> dict[ThreadId, ThreadView]:
    """Return every thread of a snapshot by its identity."""
    return {thread.id: thread for process in snapshot.processes for thread in process.threads}


def processes(snapshot: Snapshot) -> dict[object, ProcessView]:
    """Return every process of a snapshot by its identity."""
    return {process.id: process for process in snapshot.processes}
