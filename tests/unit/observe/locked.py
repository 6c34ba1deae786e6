"""A process that waits for a lock on a file in a synthetic `/proc`, and what is said of its wait."""

from __future__ import annotations

from hangprobe.model import ThreadId, Unreadable, Wait
from hangprobe.observe.holders import Holders
from hangprobe.observe.waits import filelock
from hangprobe.observe.waits.shapes import Family, FileLockKind, Shape

from .calls import in_flock, on_futex, working
from .opened import file, lock_line, waiting_line
from .tree import ProcTree

WAITER, HOLDER, OTHER = 100, 200, 300


def resolved(tree: ProcTree, kind: FileLockKind = FileLockKind.FLOCK) -> Wait | Unreadable:
    shape = Shape(Family.FILE_LOCK, False, descriptor=3, lock=kind)
    return filelock.resolve(ThreadId(tree.id(WAITER), WAITER), shape, Holders(tree.scanned()))


def waits(found: Wait | Unreadable) -> Wait:
    assert isinstance(found, Wait), found
    return found


def tids(found: Wait | Unreadable) -> set[int]:
    return {waker.tid for waker in waits(found).wakers}


def why(found: Wait | Unreadable) -> str:
    assert isinstance(found, Unreadable), found
    return found.why


def locks(tree: ProcTree, *lines: str) -> None:
    tree.write("locks", "".join(f"{line}\n" for line in lines))


def held(tree: ProcTree, line: str | None = None) -> None:
    """Make a waiter, and a holder of two threads with the lock that it waits for."""
    line = line or lock_line("FLOCK", HOLDER)
    tree.add(WAITER, [in_flock(3)], links={3: file()})
    tree.add(HOLDER, [on_futex(), working()], links={0: "/dev/null", 5: file(line)})
    locks(tree, line, waiting_line(pid=WAITER))
