"""A tree of captured processes, and the knot that is found in it while one file shows something else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from hangprobe.judge.collects import blocked_through, without_signals
from hangprobe.judge.knot import knot
from hangprobe.model import DoubleCollect, ProcessId
from hangprobe.observe.snapshot import double_collect

from .tree import ProcTree

PARENT, CHILD, SHELL, SLEEP = 12839, 12842, 12840, 12841
TRUTH = {PARENT, CHILD}
TARGETS = tuple(ProcessId("node01", pid, start) for pid, start in ((PARENT, 374691), (SHELL, 374691)))
When = Literal["in both", "only in the first", "only in the second"]
WHEN: tuple[When, ...] = ("in both", "only in the first", "only in the second")


def captured(root: Path) -> ProcTree:
    """Return the tree: a parent and its child in a knot, and beside them a shell that waits for a sleep."""
    tree = ProcTree(root)
    for case in ("parent-in-wait4", "child-on-python-lock", "shell-in-wait4", "sleep"):
        tree.put(case)
    return tree


def proven(double: DoubleCollect) -> set[int]:
    """Return the TIDs in the knot that signals do not end."""
    return {thread.tid for thread in knot(without_signals(blocked_through(double), double))}


def looked_at(tree: ProcTree, between: Callable[[], None] = lambda: None) -> DoubleCollect:
    """Return a double collect of the whole tree; `between` happens between the two."""
    ticks = iter(range(100))
    return double_collect(
        tree.world,
        TARGETS,
        gap_s=0.0,
        clock=lambda: float(next(ticks)),
        sleep=lambda _: between(),
    )


Content = bytes | None


@contextlib.contextmanager
def changed(tree: ProcTree, path: str, content: Content | Literal["folder"]) -> Iterator[None]:
    """Give a file another content for a while; None deletes it, `folder` makes it something that cannot be read."""
    file = tree.root / path
    truth = file.read_bytes()
    try:
        file.unlink()
        if content == "folder":
            file.mkdir()
        elif content is not None:
            file.write_bytes(content)
        yield
    finally:
        if file.is_dir():
            file.rmdir()
        file.write_bytes(truth)


def knot_with(tree: ProcTree, path: str, content: Content | Literal["folder"], when: When) -> set[int]:
    """Return the knot that a double collect finds while a file shows something else."""
    change = changed(tree, path, content)
    if when == "in both":
        with change:
            return proven(looked_at(tree))
    if when == "only in the second":
        with contextlib.ExitStack() as stack:
            return proven(looked_at(tree, lambda: stack.enter_context(change)))
    with contextlib.ExitStack() as stack:
        stack.enter_context(change)
        return proven(looked_at(tree, stack.close))


def text_of(tree: ProcTree, path: str) -> str:
    return (tree.root / path).read_bytes().decode()
