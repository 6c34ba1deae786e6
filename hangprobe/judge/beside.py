"""The threads of a rank beside its knot: which of them may still mean to end it.

A Timer that will terminate the child makes a healthy knot, and looks harmless in many ways: it may begin to sleep after
the knot has closed, it may be caught while it starts or while it fires. So a thread that sleeps for a set time is
harmless only once it has been seen to come back: the same call with the same arguments, another run count, a second
or more after a sight of it that is younger than the knot. A thread that has hardly run is taken for one that has just
begun. And until the knot has stood for the window, these are in doubt too: a thread that runs, but not all the time;
one of the knot's own processes that waits for something else, such as a message upon which it will terminate the child;
and one of any other process that has run since the knot closed, or waits for a child of its own, such as a shell that
will send a signal.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from hangprobe.judgement import Sighting
from hangprobe.model import DoubleCollect, ThreadId, ThreadView

RETURN_S = 1.0
"""Between two sights of the same sleep: waits for Python's interpreter lock repeat too, but for 5 ms each."""
SAME_TIME_S = 0.02
"""Two threads that last ran on different processors: what was stolen of the one since makes their times no finer."""
WORKED_S = 0.05
"""Processor time of a thread that does more than begin: a Python thread starts and arms its timer in under 5 ms."""
BUSY_SHARE = 0.5
"""Of the time between two collects, in which a thread that works was on a processor or waited for one: a shell that
sleeps for 50 ms between its commands has a twentieth; the kernel counts in ticks of up to 10 ms."""


def may_act(
    tree: Iterable[ThreadView],
    members: Set[ThreadId],
    closed_s: float | None,
    clock_s: float | None,
    sightings: Iterable[Sighting],
    window_s: float,
    busy: Set[ThreadId],
) -> tuple[ThreadId, ...]:
    """Return the threads of a rank tree outside the knot that may mean to end it, as far as can be told now.

    `busy` are those that were running all the time between the collects.
    """
    near = {thread.process for thread in members}
    seen = {(sight.thread, sight.call): sight for sight in sightings}
    has_stood = closed_s is not None and clock_s is not None and clock_s - closed_s >= window_s

    def is_open(view: ThreadView) -> bool:
        if view.id in members or view.state in {"Z", "X"} or view.is_runtime_helper:
            return False
        if view.is_timed:
            return not _has_come_back(view, seen.get((view.id, view.call or "")), closed_s, clock_s)
        if view.state in {"T", "t"}:
            return False
        if view.state is None or (view.state != "S" and (view.cpu_s is None or view.cpu_s < WORKED_S)):
            return True
        if has_stood:
            return False
        if view.state != "S":
            return view.id not in busy
        return view.id.process in near or view.is_for_child or _has_run_since(view, closed_s)

    return tuple(view.id for view in tree if is_open(view))


def busy_threads(double: DoubleCollect) -> frozenset[ThreadId]:
    """Return the threads that were running, or waiting for a processor, most of the time between the collects."""
    before = {view.id: view.runnable_s for process in double.first.processes for view in process.threads}
    least_s = BUSY_SHARE * (double.second.began_s - double.first.began_s)
    views = (view for process in double.second.processes for view in process.threads)
    return frozenset(
        view.id
        for view in views
        if view.runnable_s is not None
        and (earlier := before.get(view.id)) is not None
        and view.runnable_s - earlier >= least_s
    )


def live_beside(tree: Iterable[ThreadView], members: Set[ThreadId]) -> str | None:
    """Return why a live thread of the tree forbids to end the rank: any but an MPI runtime's own."""
    for view in tree:
        if view.id in members or view.state in {"Z", "X"} or view.is_runtime_helper:
            continue
        return f"thread {view.id.tid} of pid {view.id.process.pid} is live ({view.live or 'its wait can end'})"
    return None


def _has_come_back(view: ThreadView, sight: Sighting | None, closed_s: float | None, clock_s: float | None) -> bool:
    """Tell whether a sleeper was seen in this very sleep before, after the knot had closed, and has run since."""
    if sight is None or closed_s is None or clock_s is None or view.run_count is None:
        return False
    is_younger = sight.clock_s >= closed_s + SAME_TIME_S and clock_s - sight.clock_s >= RETURN_S
    return is_younger and view.run_count != sight.run_count


def _has_run_since(view: ThreadView, closed_s: float | None) -> bool:
    return view.last_ran_s is None or closed_s is None or view.last_ran_s > closed_s - SAME_TIME_S
