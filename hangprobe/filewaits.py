"""Locks on files as nodes tell of them: who waits for one, who has one, and when two of them are in each other's way.

Apart from `model`, because these words pass between nodes: no proof on one node rests on them.
"""

from __future__ import annotations

from enum import StrEnum

from hangprobe.model import Frozen

END = 2**63 - 1
"""The last byte of a lock that reaches to the end of the file, however long that gets."""


class Kept(StrEnum):
    """Why nobody should count on a holder to give up its lock soon."""

    ASLEEP = "asleep"
    """None of its threads has run for the window, and none sleeps for a set time."""
    IN_MPI = "in-mpi"
    """Its rank is inside MPI, where it may well wait for those that wait for the lock."""


class SharedFile(Frozen, frozen=True, order=True):
    """A file by what two nodes can both say of it."""

    path: str
    inode: int
    system: str
    """The type of a file system that nodes share; of any other the kernel and the device, which two nodes have in
    common only if they are one machine."""
    kind: str
    """`FLOCK` or `POSIX`, which are not in each other's way; `any` where they are (NFS)."""

    @property
    def is_of_one_machine(self) -> bool:
        """Whether locks on it are those of one kernel."""
        return " " in self.system


class Extent(Frozen, frozen=True, order=True):
    """Which bytes of a file are locked, and against whom."""

    is_exclusive: bool
    first: int = 0
    last: int = END

    def is_in_the_way_of(self, other: Extent) -> bool:
        """Tell whether both cannot be had at once by two processes."""
        meets = self.first <= other.last and other.first <= self.last
        return meets and (self.is_exclusive or other.is_exclusive)


class FileWait(Frozen, frozen=True, order=True):
    """A rank whose main thread depends on nothing else than locks on files, and one of these."""

    rank: int
    file: SharedFile
    extent: Extent


class FileHeld(Frozen, frozen=True, order=True):
    """A lock that a process of a rank has."""

    host: str
    rank: int
    pid: int
    file: SharedFile
    extent: Extent
    kept: Kept | None = None
    """Why it may have it for ever; None if it works."""

    def is_awaited_by(self, wait: FileWait) -> bool:
        """Tell whether that wait lasts as long as this lock is held."""
        return self.file == wait.file and self.rank != wait.rank and self.extent.is_in_the_way_of(wait.extent)
