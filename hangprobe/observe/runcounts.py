"""How often each thread has run, read from one small file a thread that is kept open (`schedstat`).

It takes 1.8 us a thread, so it is read only of processes that have run (`cputimes`), and of these only as far as
needed: once their waking threads account for all the CPU time since the last look, the others have not run. Beyond
hangprobe's limit of open files, files are opened for each read.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable

from hangprobe.model import Unreadable
from hangprobe.observe.candidates import WatchedProcess, WatchedTask
from hangprobe.observe.procfs import parse_run_count
from hangprobe.observe.reader import Reader

DESCRIPTORS_KEPT_FREE = 128
"""Of hangprobe's own limit: for files that it opens for a moment."""
LENGTH = 128
"""Bytes that are enough for the three numbers of `schedstat`."""
ENDED = b""
"""In place of what the file of a thread shows that has ended."""


class RunCounts:
    """Reads the run counts of threads."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard and hard < 1 << 20:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        self.free = soft - DESCRIPTORS_KEPT_FREE
        """How many more files may be kept open."""
        self.watched = 0
        """Threads that were met and have not been closed."""

    def meet(self, pid: int, tid: int) -> WatchedTask:
        """Return a thread with its run count as it is now, and its file kept open."""
        task = WatchedTask(tid, self._open(pid, tid))
        self.watched += 1
        self._take_in(task, self._read(pid, task))
        return task

    def look(self, process: WatchedProcess, cpu_ns: int | None, is_at_all: bool = False) -> list[WatchedTask]:
        """Return the threads of a process that have run or ended since the last look, with their run counts.

        `cpu_ns` is the CPU time that all of its threads have used, None if it is not known; `is_at_all` reads every
        thread even if that is accounted for.
        """
        awake = [task for task in process.tasks.values() if task.has_run]
        ran = self._ran(process.id.pid, awake)
        rest_ns = None if cpu_ns is None else cpu_ns - sum(task.cpu_ns for task in awake)
        if is_at_all or rest_ns is None or rest_ns != process.rest_ns:
            ran += self._ran(process.id.pid, [task for task in process.tasks.values() if not task.has_run])
        process.rest_ns = None if cpu_ns is None else cpu_ns - sum(task.cpu_ns for task in ran if not task.has_ended)
        return ran

    def close(self, task: WatchedTask) -> None:
        """Close a thread's file."""
        task.has_ended = True
        self.watched -= 1
        if task.descriptor is not None:
            os.close(task.descriptor)
            self.free += 1

    def _ran(self, pid: int, tasks: Iterable[WatchedTask]) -> list[WatchedTask]:
        """Any of the file's numbers stands still while a thread is asleep."""
        ran = []
        for task in tasks:
            shown = self._read(pid, task)
            if shown != task.shown or shown == ENDED:
                self._take_in(task, shown)
                ran.append(task)
        return ran

    def _take_in(self, task: WatchedTask, shown: bytes) -> None:
        task.shown = shown
        if shown == ENDED:
            task.has_ended = True
            return
        text = shown.decode(errors="replace")
        count, (used, *_) = parse_run_count(text), [*text.split(), ""]
        task.run_count = 0 if isinstance(count, Unreadable) else count
        task.cpu_ns = int(used) if used.isdecimal() else 0

    def _open(self, pid: int, tid: int) -> int | None:
        if self.free <= 0:
            return None
        try:
            descriptor = os.open(f"{self.reader.root}/{pid}/task/{tid}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        self.free -= 1
        return descriptor

    def _read(self, pid: int, task: WatchedTask) -> bytes:
        if task.descriptor is None:
            data = self.reader.read(f"{pid}/task/{task.tid}/schedstat")
            return ENDED if isinstance(data, Unreadable) else data
        try:
            return os.pread(task.descriptor, LENGTH, 0)
        except OSError:
            return ENDED
