"""How often each thread has run, read from one small file a thread that is kept open (`schedstat`).

The one thing that is read of every thread at every sample, so most of what watching costs is here: a file that shows
what it showed last is not even parsed. Beyond hangprobe's limit of open files, files are opened for each read.
"""

from __future__ import annotations

import os
import resource

from hangprobe.model import Unreadable
from hangprobe.observe.candidates import WatchedTask
from hangprobe.observe.procfs import parse_run_count
from hangprobe.observe.reader import Reader

DESCRIPTORS_KEPT_FREE = 128
"""Of hangprobe's own limit: for files that it opens for a moment."""


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

    def meet(self, pid: int, tid: int) -> WatchedTask:
        """Return a thread with its run count as it is now, and its file kept open."""
        task = WatchedTask(tid, self._open(pid, tid))
        task.run_count = self.read(pid, task) or -1
        return task

    def _open(self, pid: int, tid: int) -> int | None:
        if self.free <= 0:
            return None
        try:
            descriptor = os.open(f"{self.reader.root}/{pid}/task/{tid}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        self.free -= 1
        return descriptor

    def is_unchanged(self, task: WatchedTask) -> bool:
        """Tell whether the kept file shows what it showed last, as most threads' do: there is nothing to parse."""
        if task.descriptor is None:
            return False
        try:
            shown = os.pread(task.descriptor, 128, 0)
        except OSError:
            return False
        is_same = shown == task.shown
        task.shown = shown
        return is_same

    def read(self, pid: int, task: WatchedTask) -> int | None:
        """Return the run count; None if the thread has ended."""
        try:
            if task.descriptor is not None:
                text = os.pread(task.descriptor, 128, 0).decode(errors="replace")
            else:
                read = self.reader.text(f"{pid}/task/{task.tid}/schedstat")
                if isinstance(read, Unreadable):
                    return None
                text = read
        except OSError:
            return None
        count = parse_run_count(text)
        return 0 if isinstance(count, Unreadable) else count

    def close(self, task: WatchedTask) -> None:
        """Close a thread's file."""
        if task.descriptor is not None:
            os.close(task.descriptor)
            self.free += 1
