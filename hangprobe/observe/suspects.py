"""Everything worth reading of the threads in a knot, after the second collect: locks, lineage, stacks."""

from __future__ import annotations

from collections.abc import Iterable

from hangprobe.model import Lineage, Snapshot, Suspects, ThreadId, Unreadable
from hangprobe.observe import locks, stacks
from hangprobe.observe.lineage import lineage
from hangprobe.observe.world import World

STACKS_MAX = 16
"""Processes whose stacks are read: more of one kind say nothing new."""


def read_suspects(
    world: World, snapshot: Snapshot, culprits: Iterable[ThreadId], stacks_deadline_s: float | None
) -> Suspects:
    """Return what can be read of `culprits`; `stacks_deadline_s` is None where no stacks are wanted."""
    world.scan()
    wanted = list(dict.fromkeys(culprits))
    views = {thread.id: thread for process in snapshot.processes for thread in process.threads}
    unreadable: list[Unreadable] = []
    lineages: list[Lineage] = []
    for process in dict.fromkeys(thread.process for thread in wanted):
        found = lineage(world, process)
        unreadable += [found] if isinstance(found, Unreadable) else []
        lineages += [] if isinstance(found, Unreadable) else [found]
    by_process = {each.process: each for each in lineages}
    facts = [locks.facts(world, views[t], by_process.get(t.process)) for t in wanted if t in views]
    processes = [each.process for each in lineages][:STACKS_MAX]
    read, failed = stacks.python_stacks(processes, stacks_deadline_s) if stacks_deadline_s else ([], [])
    found_stacks = tuple(stack for stack in read if stack.thread in wanted)
    return Suspects(tuple(fact for fact in facts if fact), found_stacks, tuple(lineages), (*unreadable, *failed))
