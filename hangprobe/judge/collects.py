"""Two collects make a proof: which threads were blocked, in one and the same wait, at one common instant.

All first reads end before any second read begins. A thread that shows the same wait with the same arguments and the
same run count in both was never given a processor in between (`schedstat` counts each time), so it was blocked from
its first read to its second, and so at the instant between the collects: the double collect of an atomic snapshot
(Afek et al., "Atomic snapshots of shared memory", JACM 40(4), 1993). Edges are those of both collects, united.

Whatever does not fit makes a thread live, never dead.
"""

from __future__ import annotations

from hangprobe.model import DoubleCollect, ProcessView, Snapshot, ThreadId, ThreadView


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


def threads(snapshot: Snapshot) -> dict[ThreadId, ThreadView]:
    """Return every thread of a snapshot by its identity."""
    return {thread.id: thread for process in snapshot.processes for thread in process.threads}


def processes(snapshot: Snapshot) -> dict[object, ProcessView]:
    """Return every process of a snapshot by its identity."""
    return {process.id: process for process in snapshot.processes}
