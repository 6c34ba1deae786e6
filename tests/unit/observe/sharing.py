"""A process that waits on a futex in shared memory in a synthetic `/proc`, and what is said of its wait."""

from __future__ import annotations

from collections.abc import Iterable

from hangprobe.model import ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.holders import Holders
from hangprobe.observe.procfs import parse_call
from hangprobe.observe.waits import futex
from hangprobe.observe.waits.shapes import Shape, shape
from hangprobe.observe.world import World

from .calls import WORD, Thread, on_futex
from .tree import ARCH, ProcTree

WAITER, OTHER, THIRD = 100, 200, 300
WAITING = on_futex(WORD + 0x20, 0x109)
SEMAPHORE = "/dev/shm/sem.mp-abc (deleted)"
MEMFD = "/memfd:lock (deleted)"
ANONYMOUS = "/dev/zero (deleted)"
INODE = 77


def mapped(path: str = SEMAPHORE, permissions: str = "rw-s", device: str = "00:1a", inode: int = INODE) -> str:
    return f"00010000-00011000 {permissions} 00000000 {device} {inode}                         {path}"


def elsewhere(path: str = SEMAPHORE, inode: int = INODE, device: str = "00:1a") -> str:
    """Return the same memory at another address."""
    return f"7f5500000000-7f5500001000 rw-s 00000000 {device} {inode}                         {path}"


def waiter(tree: ProcTree, path: str = SEMAPHORE, names: Iterable[str] = ()) -> None:
    """Make a process that waits in shared memory, and the `/dev/shm` that it sees."""
    tree.add(WAITER, [WAITING], maps=[mapped(path)])
    folder = tree.root / f"{WAITER}/root/dev/shm"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()


def resolved(tree: ProcTree, world: World | None = None, thread: Thread = WAITING) -> Wait | Unreadable:
    words = parse_call(thread.syscall)
    assert not isinstance(words, Unreadable)
    found = shape(words, thread.wchan, ARCH)
    assert isinstance(found, Shape)
    return futex.resolve(ThreadId(tree.id(WAITER), WAITER), found, Holders(world or tree.scanned()))


def tids(found: Wait | Unreadable) -> set[int]:
    assert isinstance(found, Wait), found
    assert found.kind is WaitKind.FUTEX_SHARED
    return {waker.tid for waker in found.wakers}


def why(found: Wait | Unreadable) -> str:
    assert isinstance(found, Unreadable), found
    return found.why
