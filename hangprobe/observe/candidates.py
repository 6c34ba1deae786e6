"""Which threads of a sample could be in a knot, by what is cheap to see: not a proof, but a reason to look for one.

The graph has at most the edges of the true one, so what is no knot here is none there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hangprobe.model import ProcessId
from hangprobe.observe.ranks import Marker
from hangprobe.observe.waits.shapes import Children, Family, Shape

Task = tuple[int, int]
"""A thread within one sample: (pid, TID)."""


@dataclass(slots=True)
class WatchedTask:
    """A thread that is being watched."""

    tid: int
    descriptor: int | None
    run_count: int = -1
    has_run: bool = True
    shape: Shape | None = None
    is_shaped: bool = False
    """Whether `shape` was read during the present sleep."""


@dataclass(slots=True)
class WatchedProcess:
    """A process that is being watched."""

    id: ProcessId
    parent: int
    name: str
    is_forked: bool
    marker: Marker | None
    tasks: dict[int, WatchedTask] = field(default_factory=dict)
    children: tuple[int, ...] = ()
    moved_s: float = 0.0
    """When one of its threads was last seen to have run, come or gone."""


def possible_wakers(processes: Mapping[int, WatchedProcess]) -> dict[Task, frozenset[Task]]:
    """Return the threads that may be blocked for ever, with the wakers that are cheap to see; all others are live."""
    graph: dict[Task, frozenset[Task]] = {}
    for pid, process in processes.items():
        own = frozenset((pid, tid) for tid in process.tasks)
        for task in process.tasks.values():
            if task.has_run or task.shape is None or task.shape.family is Family.EPOLL:
                continue
            if task.shape.family is Family.FUTEX:
                graph[pid, task.tid] = own - {(pid, task.tid)}
            elif (wakers := _child_wakers(processes, pid, task.shape)) is not None:
                graph[pid, task.tid] = wakers
    return graph


def _child_wakers(processes: Mapping[int, WatchedProcess], pid: int, found: Shape) -> frozenset[Task] | None:
    """Return the threads of the child waited for; of the quietest one where it is not told which."""
    if found.family is Family.CHILD and found.children is Children.ONE:
        children = [found.target] if found.target in processes else []
    else:
        children = [child for child in processes[pid].children if child in processes]
        children = [child for child in children if _is_quiet(processes[child])][:1]
    if not children:
        return None
    return frozenset((child, tid) for child in children for tid in processes[child].tasks)


def _is_quiet(process: WatchedProcess) -> bool:
    return all(not task.has_run and task.shape is not None for task in process.tasks.values())
