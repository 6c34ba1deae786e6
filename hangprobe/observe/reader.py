"""Reads the files of a `/proc`, and translates the errors of doing so: every failure is returned as data.

Files that take the target's mmap lock are read in a thread that can be abandoned: a target that faults on a dead file
system holds that lock for ever.
"""

from __future__ import annotations

import errno
import os
import queue
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from hangprobe.model import Barrier, Unreadable
from hangprobe.observe.procfs import Stat, parse_stat

T = TypeVar("T")

AT_ONCE = 32
"""Files that are read for one hand-over: 0.2 ms each on a machine that is not overloaded."""


def why(error: OSError) -> str:
    """Say in a few words why a file of `/proc` could not be read."""
    if error.errno in {errno.ENOENT, errno.ESRCH}:
        return "gone"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return "not permitted"
    return os.strerror(error.errno) if error.errno else str(error)


def failed(path: str, error: OSError) -> Unreadable:
    """Return a failed read as data."""
    is_forbidden = error.errno in {errno.EACCES, errno.EPERM}
    return Unreadable(path, why(error), Barrier.PERMISSION if is_forbidden else None)


@dataclass(slots=True)
class Reader:
    """Reads files below a `/proc`; every failure is returned as data."""

    root: str = "/proc"
    guarded_s: float = 0.5
    """Deadline for files that take the target's mmap lock."""
    late: set[int] = field(default_factory=set)
    """Processes that missed that deadline once: they are not asked again, so threads do not pile up."""
    _hand: _Hand | None = None

    def read(self, path: str) -> bytes | Unreadable:
        """Return a file's content, or why there is none."""
        try:
            descriptor = os.open(f"{self.root}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            return failed(path, error)
        try:
            chunks = [os.read(descriptor, 65536)]
            while chunks[-1]:
                chunks.append(os.read(descriptor, 65536))
            return b"".join(chunks)
        except OSError as error:
            return failed(path, error)
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
            return failed(path, error)

    def names(self, path: str) -> list[str] | Unreadable:
        """Return the names in a folder."""
        try:
            return os.listdir(f"{self.root}/{path}")
        except OSError as error:
            return failed(path, error)

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

    def guarded_many(self, paths: Mapping[int, str]) -> dict[int, bytes | Unreadable]:
        """Return such files of many processes; where some do not answer in time, each is asked by itself."""
        found: dict[int, bytes | Unreadable] = {}
        pids = [pid for pid in paths if pid not in self.late]
        for start in range(0, len(pids), AT_ONCE):
            some = pids[start : start + AT_ONCE]
            read = self._in_time(partial(self._read_many, {pid: paths[pid] for pid in some}))
            found.update(read[0] if read else {pid: self.guarded(pid, paths[pid]) for pid in some})
        return {pid: found[pid] if pid in found else self.guarded(pid, path) for pid, path in paths.items()}

    def _read_many(self, paths: Mapping[int, str]) -> dict[int, bytes | Unreadable]:
        return {pid: self.read(f"{pid}/{path}") for pid, path in paths.items()}

    def memory(self, pid: int, address: int, size: int) -> bytes | Unreadable:
        """Return `size` bytes of memory (needs PTRACE_MODE_ATTACH); fewer at the end of a mapping."""
        return self.abandonable(pid, f"{pid}/mem", lambda: self.memory_now(pid, address, size))

    def memory_now(self, pid: int, address: int, size: int) -> bytes | Unreadable:
        """Return memory without a deadline: only for use inside `abandonable`."""
        try:
            with open(f"{self.root}/{pid}/mem", "rb", buffering=0) as file:
                return os.pread(file.fileno(), size, address)
        except OSError as error:
            return failed(f"{pid}/mem", error)
        except OverflowError:
            return Unreadable(f"{pid}/mem", "address out of range")

    def abandonable(self, pid: int, what: str, job: Callable[[], T]) -> T | Unreadable:
        """Return what `job` returns, or that it was late: a target that never answers is not asked a second time."""
        if pid in self.late:
            return Unreadable(what, "late before, not asked again")
        result = self._in_time(job)
        if result:
            return result[0]
        self.late.add(pid)
        return Unreadable(what, f"no answer within {self.guarded_s:g} s")

    def _in_time(self, job: Callable[[], T]) -> list[T]:
        """Return what a job returns, in a list; an empty one if it was late."""
        hand = self._hand = self._hand or _Hand()
        if hand.is_me():
            return [job()]
        result = hand.do(job, self.guarded_s)
        if not result:
            self._hand = None
        return result


class _Hand:
    """A thread that does one job at a time for a caller who does not wait for ever: whoever is late is left behind."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="hangprobe-reader")
        self._thread.start()

    def is_me(self) -> bool:
        """Tell whether the caller is this thread itself, in the middle of a job."""
        return threading.current_thread() is self._thread

    def do(self, job: Callable[[], T], timeout_s: float) -> list[T]:
        """Return what the job returns, in a list; an empty one if it was late."""
        self._jobs.put(job)
        try:
            return [self._results.get(timeout=timeout_s)]
        except queue.Empty:
            return []

    def _serve(self) -> None:
        # A signal to the process must not find a thread that has it unblocked: the relay reads them all.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            self._results.put(self._jobs.get()())
