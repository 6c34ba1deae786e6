"""Workloads that hang under any launcher: a thread holds a lock of Python's own while the task forks.

The thread that would release the lock is missing in the child; the task waits for the child.
"""

from __future__ import annotations

import importlib
import os
import queue
import select
import sys
import threading
import time
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from hangprobe.ensemble.subject.forking import HOLD_S, fork_under

_MORE_THAN_A_PIPE_TAKES = 1 << 20  # bytes


def thread_lock(number: int) -> None:
    """Fork while a thread holds a threading.Lock."""
    _fork_under_lock(threading.Lock())


def rlock(number: int) -> None:
    """Fork while a thread holds a threading.RLock."""
    _fork_under_lock(threading.RLock())


def queue_mutex(number: int) -> None:
    """Fork while a thread is in a queue; the child only puts something into it."""
    tasks: queue.Queue[int] = queue.Queue()

    def compact(begun: threading.Event) -> None:
        with tasks.mutex:
            begun.set()
            time.sleep(HOLD_S)
            tasks.queue.clear()

    fork_under(compact, lambda: tasks.put(number))


def buffered_io(number: int) -> None:
    """Fork while a thread is in a BufferedWriter whose reader is slow; the child writes a line."""
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as received, open(write_end, "wb") as log:

        def read(begun: threading.Event) -> None:
            select.select([received], [], [])  # the writer is in its write
            begun.set()
            time.sleep(HOLD_S)
            received.read(_MORE_THAN_A_PIPE_TAKES)

        def write(begun: threading.Event) -> None:
            reader = threading.Thread(target=read, args=(begun,), name="reader")
            reader.start()
            log.write(bytes(_MORE_THAN_A_PIPE_TAKES))
            log.flush()
            reader.join()

        def use() -> None:
            log.write(b"child\n")

        fork_under(write, use)


def import_lock(number: int) -> None:
    """Fork while a thread imports a module from a slow disk; the child imports it too."""
    name = f"hangprobe_on_a_slow_disk_{number}"
    finder = _SlowDisk(name)
    sys.meta_path.append(finder)
    try:
        fork_under(finder.import_slowly, lambda: _ignore(importlib.import_module(name)))
    finally:
        sys.meta_path.remove(finder)


class _SlowDisk(MetaPathFinder, Loader):
    """Finds one module, and takes its time to load it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.begun = threading.Event()

    def import_slowly(self, begun: threading.Event) -> None:
        """Import it, in a thread."""
        self.begun = begun
        importlib.import_module(self.name)

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        """Find it, and nothing else."""
        return ModuleSpec(fullname, self) if fullname == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        """Load it; importlib calls this with the module's lock held."""
        self.begun.set()
        time.sleep(HOLD_S)


def _fork_under_lock(lock: Any) -> None:
    def hold(begun: threading.Event) -> None:
        with lock:
            begun.set()
            time.sleep(HOLD_S)

    def use() -> None:
        with lock:
            pass

    fork_under(hold, use)


def _ignore(_: object) -> None:
    """Drop a result."""
