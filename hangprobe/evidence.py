"""What is read of the suspects after a proof: their locks, where they come from, where they stand.

Apart from `model` because no verdict rests on it: it only explains one.
"""

from __future__ import annotations

from enum import StrEnum

from hangprobe.model import Frozen, ProcessId, StartMethod, ThreadId, Unreadable


class MemoryOwner(StrEnum):
    """What a lock's neighbourhood in memory says that it is."""

    PYTHON_LOCK = "python-lock"
    RLOCK = "rlock"
    BUFFERED_IO = "buffered-io"
    UNKNOWN = "unknown"


class LockFacts(Frozen, frozen=True):
    """What memory says of the lock that a thread waits for."""

    thread: ThreadId
    object: str
    owner: MemoryOwner
    is_semaphore: bool
    """The futex word is that of a `sem_t` with value 0, which records no owner (CPython's locks)."""
    is_older_than_fork: bool | None
    """The same lock object stands at the same address in the parent; None if that cannot be told."""
    parent_value: int | None
    """The lock word at the same address in the parent now; None if unreadable."""
    holder: int | None = None
    """TID of the holder where the lock records one (RLock), in the parent."""


class Frame(Frozen, frozen=True):
    """One frame of a stack, outermost last."""

    function: str
    file: str
    line: int


class Stack(Frozen, frozen=True):
    """The stack of one thread of a suspect."""

    thread: ThreadId
    frames: tuple[Frame, ...]
    source: str
    """The tool that read it."""


class Code(Frozen, frozen=True):
    """Which libraries a thread waits inside of, nearest first: by its instruction pointer and return addresses."""

    thread: ThreadId
    libraries: tuple[str, ...]


class Lineage(Frozen, frozen=True):
    """Where a suspect process comes from."""

    process: ProcessId
    parent: ProcessId | None
    """The process that forked it, if it still runs."""
    start_method: StartMethod
    name: str
    parent_threads: tuple[int, ...] = ()


class Suspects(Frozen, frozen=True):
    """Everything that was read of the processes in a knot after the second collect."""

    locks: tuple[LockFacts, ...] = ()
    stacks: tuple[Stack, ...] = ()
    lineage: tuple[Lineage, ...] = ()
    code: tuple[Code, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
