"""Processes below one another, and whoever may mean to end one of them, by pid and kinship."""

from __future__ import annotations

from dataclasses import replace

from hangprobe.attach.elders import elders
from hangprobe.model import ProcessId
from hangprobe.observe.procfs import PF_FORKNOEXEC
from hangprobe.observe.trees import INIT
from tests.unit.observe.forests import Node
from tests.unit.observe.tree import HOST

PARENT, ANCESTOR = "its parent", "an ancestor of it"
FORKED, GROUPED = "forked from the same program", "of its process group"
STACK = 0x7FFE_1000
"""Where the stack of a forked program starts."""


def identity(pid: int) -> ProcessId:
    return ProcessId(HOST, pid, 1000 + pid)


def elders_of(node: Node, pid: int, *askers: int) -> list[tuple[int, str]]:
    """Return pid and kinship of each elder."""
    return [(each.process.pid, each.kinship) for each in elders(node.forest(), identity(pid), frozenset(askers))]


def chain(node: Node, *names: str, first: int = 10) -> int:
    """Put programs below init, each one started by the one before it; return the pid of the last."""
    for pid, name in enumerate(names, first):
        node.add(pid, INIT if pid == first else pid - 1, name)
    return first + len(names) - 1


def orphan(node: Node, pid: int = 50, stack: int = 0, *, is_forked: bool = True, group: int | None = None) -> int:
    """Put a process on the node whose parent is init."""
    node.add(pid, INIT, "orphan", flags=PF_FORKNOEXEC if is_forked else 0, group=group)
    node.stats[pid] = replace(node.stats[pid], stack_start=stack)
    return pid
