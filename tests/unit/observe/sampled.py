"""A rank below a root process in a synthetic `/proc`, and what a sampler sees of it."""

from __future__ import annotations

from hangprobe.observe.candidates import Task
from hangprobe.observe.sampler import Sample, Sampler

from .calls import Thread, working
from .tree import ProcTree

ROOT, RANK, CHILD, OTHER = 100, 200, 300, 400


def children(tree: ProcTree, pid: int, *pids: int) -> None:
    tree.write(f"{pid}/task/{pid}/children", " ".join(map(str, pids)) + " ")


def rank(tree: ProcTree, *threads: Thread) -> None:
    """Put a rank below the root."""
    tree.add(RANK, threads or [working()], parent=ROOT, environment={"PMI_RANK": "1"})
    children(tree, ROOT, RANK)


def fork(tree: ProcTree, *threads: Thread, pid: int = CHILD, parent: int = RANK) -> None:
    tree.add(pid, threads, parent=parent, is_forked=True, environment={"PMI_RANK": "1"})


def ran(tree: ProcTree, pid: int, count: int, tid: int | None = None) -> None:
    """Let a thread have run."""
    tree.write(f"{pid}/task/{tid or pid}/schedstat", f"831801 0 {count}\n")


def narrow(sample: Sample) -> dict[Task, set[Task]]:
    """Return the graph of what is cheap to see, of all ranks."""
    return {task: set(wakers) for each in sample.graphs.values() for task, wakers in each.narrow.items()}


def wide(sample: Sample) -> dict[Task, set[Task]]:
    """Return the graph with waits for descriptors and shared memory, of all ranks."""
    return {task: set(wakers) for each in sample.graphs.values() for task, wakers in each.wide.items()}


def run_counts(sample: Sample) -> dict[Task, int]:
    """Return how often each thread ran."""
    return {(pid, tid): task.run_count for pid, tasks in sample.tasks.items() for tid, task in tasks.items()}


def settled(sampler: Sampler) -> Sample:
    """Return the second look: who has not run since the first is asleep."""
    sampler.sample(0.0)
    return sampler.sample(1.0)
