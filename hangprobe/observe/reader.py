"""Reads the files of a `/proc`, and translates the errors of doing so: every failure is returned as data.

Files that take the target's mmap lock are read in a thread that can be abandoned: a target that faults on a dead file
system holds that lock for ever.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from hangprobe.model import Unreadable
from hangprobe.observe.procfs import Stat, parse_stat

T = TypeVar("T")


def why(error: OSError) -> str:
    """Say in a few words why a file of `/proc` could not be read."""
    if error.errno in {errno.ENOENT, errno.ESRCH}:
        return "gone"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return "not permitted"
    return os.strerror(error.errno) if error.errno else str(error)


@dataclass(slots=True)
class Reader:
    """Reads files below a `/proc`; every failure is returned as data."""

    root: str = "/proc"
    guarded_s: float = 0.5
    """Deadline for files that take the target's mmap lock."""
    late: set[int] = field(default_factory=set)
    """Processes that missed that deadline once: they are not asked again, so threads do not pile up."""

    def read(self, path: str) -> bytes | Unreadable:
        """Return a file's content, or why there is none."""
        try:
            descriptor = os.open(f"{self.root}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            return Unreadable(path, why(error))
        try:
            chunks = [os.read(descriptor, 65536)]
            while chunks[-1]:
                chunks.append(os.read(descriptor, 65536))
            return b"".join(chunks)
        except OSError as error:
            return Unreadable(path, why(error))
        finally:
            os.close(descriptor)

    def text(self, path: str) -> str | Unreadable:
        """Return a file's content as text."""
        data = self.read(path)
        return data if isinstance(data, Unreadable) else data.decode(errors="replace")

    def link(self, path: str) -> str | Unreadable:
        """Return where a symbolic link points, without following it."""
        try:
            return os.readlink(f"{self.root}/{path}")
        except OSError as error:
            return Unreadable(path, why(error))

    def names(self, path: str) -> list[str] | Unreadable:
        """Return the names in a folder."""
        try:
            return os.listdir(f"{self.root}/{path}")
        except OSError as error:
            return Unreadable(path, why(error))

    def numbers(self, path: str) -> list[int] | Unreadable:
        """Return the names in a folder that are numbers, ascending: pids, TIDs, descriptors."""
        names = self.names(path)
        return names if isinstance(names, Unreadable) else sorted(int(name) for name in names if name.isdigit())

    def stat(self, pid: int, tid: int | None = None) -> Stat | Unreadable:
        """Return the stat line of a process, or of one of its threads."""
        text = self.text(f"{pid}/stat" if tid is None else f"{pid}/task/{tid}/stat")
        return text if isinstance(text, Unreadable) else parse_stat(text)

    def guarded(self, pid: int, name: str) -> bytes | Unreadable:
        """Return a file that takes the target's mmap lock (maps, environ, cmdline), in a thread that may be abandoned.

        mmap_read_lock_killable() in fs/proc: a target that faults on a dead file system holds the lock for ever.
        """
        return self.abandonable(pid, f"{pid}/{name}", lambda: self.read(f"{pid}/{name}"))

    def memory(self, pid: int, address: int, size: int) -> bytes | Unreadable:
        """Return `size` bytes of memory (needs PTRACE_MODE_ATTACH); fewer at the end of a mapping."""
        return self.abandonable(pid, f"{pid}/mem", lambda: self.memory_now(pid, address, size))

    def memory_now(self, pid: int, address: int, size: int) -> bytes | Unreadable:
        """Return memory without a deadline: only for use inside `abandonable`."""
        try:
            with open(f"{self.root}/{pid}/mem", "rb", buffering=0) as file:
                return os.pread(file.fileno(), size, address)
        except (OSError, OverflowError) as error:
            return Unreadable(f"{pid}/mem", why(error) if isinstance(error, OSError) else "address out of range")

    def abandonable(self, pid: int, what: str, job: Callable[[], T]) -> T | Unreadable:
        """Return what `job` returns, or that it was late: a target that never answers is not asked a second time."""
        if pid in self.late:
            return Unreadable(what, "late before, not asked again")
        result: list[T] = []
        thread = threading.Thread(target=lambda: result.append(job()), daemon=True)
        thread.start()
        thread.join(self.guarded_s)
        if result:
            return result[0]
        self.late.add(pid)
        return Unreadable(what, f"no answer within {self.guarded_s:g} s")
