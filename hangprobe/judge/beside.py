"""The threads of a rank beside its knot: which of them may still mean to end it.

A Timer that will terminate the child makes a healthy knot, and looks harmless in many ways: it may begin to sleep after
the knot has closed, it may be caught while it starts or while it fires. So a thread that sleeps for a set time is
harmless only once it has been seen to come back: the same call with the same arguments, another run count, a second
or more after a sight of it that is younger than the knot. And a thread that is about to run and has used hardly any
processor time is taken for one that has just begun, or has just woken to act.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from hangprobe.model import ProcessId, ProcessView, Sighting, ThreadId, ThreadView

RETURN_S = 1.0
"""Between two sights of the same sleep: waits for Python's interpreter lock repeat too, but for 5 ms each."""
WORKED_S = 0.05
"""Processor time of a thread that does more than begin: a Python thread starts and arms its timer in under 5 ms."""


def may_act(
    tree: Iterable[ThreadView],
    members: Set[ThreadId],
    processes: Mapping[ProcessId, ProcessView],
    closed_s: float | None,
    clock_s: float | None,
    sightings: Iterable[Sighting],
) -> tuple[ThreadId, ...]:
    """Return the threads of a rank tree outside the knot that may mean to end it, as far as can be told now."""
    seen = {(sight.thread, sight.call): sight for sight in sightings}

    def is_open(view: ThreadView) -> bool:
        if view.id in members or view.state in {"Z", "X"} or is_helper(view, processes[view.id.process]):
            return False
        if view.is_timed:
            return not _has_come_back(view, seen.get((view.id, view.call or "")), closed_s, clock_s)
        return view.state in {"R", None} and (view.cpu_s is None or view.cpu_s < WORKED_S)

    return tuple(view.id for view in tree if is_open(view))


def live_beside(
    tree: Iterable[ThreadView], members: Set[ThreadId], processes: Mapping[ProcessId, ProcessView]
) -> str | None:
    """Return why a live thread of the tree forbids to end the rank: any but an MPI runtime's polling helper."""
    for view in tree:
        if view.id in members or view.state in {"Z", "X"} or is_helper(view, processes[view.id.process]):
            continue
        return f"thread {view.id.tid} of pid {view.id.process.pid} is live ({view.live or 'its wait can end'})"
    return None


def is_helper(view: ThreadView, process: ProcessView) -> bool:
    """Tell whether a thread is the one in which an MPI runtime waits for its network: UCX, PMIx, libfabric."""
    return view.is_poller and bool(process.runtimes) and not view.id.is_main


def _has_come_back(view: ThreadView, sight: Sighting | None, closed_s: float | None, clock_s: float | None) -> bool:
    """Tell whether a sleeper was seen in this very sleep before, after the knot had closed, and has run since."""
    if sight is None or closed_s is None or clock_s is None or view.run_count is None:
        return False
    return sight.clock_s >= closed_s and clock_s - sight.clock_s >= RETURN_S and view.run_count != sight.run_count
