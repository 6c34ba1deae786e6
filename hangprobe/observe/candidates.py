"""Which threads of a sample could be in a knot, by what is cheap to see: not a proof, but a reason to look for one.

The graph has at most the edges of the true one, so what is no knot here is none there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hangprobe.model import ProcessId
from hangprobe.observe.ranks import Marker
from hangprobe.observe.waits.shapes import Children, Family, Shape

ON_DESCRIPTORS = {Family.PIPE_READ, Family.PIPE_WRITE, Family.FILE_LOCK, Family.POLL}
"""Families whose wakers are holders of descriptors; epoll is not among them, for every MPI rank has a thread in one."""

Task = tuple[int, int]
"""A thread within one sample: (pid, TID)."""


@dataclass(slots=True, eq=False)
class WatchedTask:
    """A thread that is being watched."""

    tid: int
    descriptor: int | None
    """Its `schedstat`, kept open; None beyond the limit of open files."""
    shown: bytes = b""
    """What that showed last."""
    run_count: int = -1
    cpu_ns: int = 0
    """CPU time that it has used."""
    has_run: bool = True
    """Whether the last look showed that it had run since the one before."""
    has_ended: bool = False
    shape: Shape | None = None
    """What it waits for, read once in each sleep; None while it runs, and if the wait cannot last for ever."""


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
    met_s: float = 0.0
    """When it was seen for the first time."""
    listed_s: float = 0.0
    """When its threads and children were listed last."""
    is_marked: bool = True
    """Whether its environment could be read for `marker`: it is empty in the midst of an exec."""
    rest_ns: int | None = None
    """CPU time used by those of its threads that had not run at the last look, and by all that have ended."""


@dataclass(frozen=True, slots=True, eq=False)
class Graphs:
    """The threads of a rank tree that may be blocked for ever, with their wakers; all others are live.

    The same object as in the sample before if nothing in the tree has changed.
    """

    narrow: Mapping[Task, frozenset[Task]]
    """By what is cheap to see."""
    wide: Mapping[Task, frozenset[Task]]
    """The same with threads that wait for pipes, files and shared memory, as if nobody could end these waits."""


def possible_wakers(
    processes: Mapping[int, WatchedProcess], has_descriptors: bool = False
) -> dict[Task, frozenset[Task]]:
    """Return the threads that may be blocked for ever, with the wakers that are cheap to see; all others are live.

    Who holds a pipe, a lock on a file or shared memory is not cheap to see, and every idle worker waits for one. Such
    waits are left out, or with `has_descriptors` taken for some that nobody can end.
    """
    graph: dict[Task, frozenset[Task]] = {}
    for pid, process in processes.items():
        own = frozenset((pid, tid) for tid in process.tasks)
        for task in process.tasks.values():
            shape = task.shape
            if task.has_run or shape is None:
                continue
            is_elsewhere = shape.family in ON_DESCRIPTORS or (shape.family is Family.FUTEX and not shape.is_private)
            if has_descriptors and is_elsewhere:
                graph[pid, task.tid] = frozenset()
            elif shape.family is Family.FUTEX:
                graph[pid, task.tid] = own - {(pid, task.tid)}
            elif (wakers := _child_wakers(processes, pid, shape)) is not None:
                graph[pid, task.tid] = wakers
    return graph


def _child_wakers(processes: Mapping[int, WatchedProcess], pid: int, found: Shape) -> frozenset[Task] | None:
    """Return the threads of the child waited for; of the quietest one where it is not told which."""
    if found.family not in {Family.CHILD, Family.POLL}:
        return None
    is_one = found.family is Family.CHILD and found.children is Children.ONE
    if is_one and found.target in processes[pid].children:
        children = [found.target] if found.target in processes else []
    else:  # in a PID namespace of its own a process has another number for its child
        children = [child for child in processes[pid].children if child in processes]
        children = [child for child in children if _is_quiet(processes[child])][:1]
    if not children:
        return None
    return frozenset((child, tid) for child in children for tid in processes[child].tasks)


def _is_quiet(process: WatchedProcess) -> bool:
    return all(not task.has_run and task.shape is not None for task in process.tasks.values())
