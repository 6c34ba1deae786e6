"""Every test here leaves the process table as it found it.

The test process becomes a subreaper: whatever a program under test leaves, however daemonised, becomes its child.
So the difference of two full process lists, taken below the test process, is exactly the test's own leftovers;
what other users of the machine start meanwhile is not in it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import pytest

from hangprobe.launch.proctree import Process, descendants, list_processes
from hangprobe.launch.startup import become_subreaper

from .harness import REPOSITORY


def alive_below_test(before: set[tuple[int, int]]) -> list[Process]:
    """Return new processes below the test process that are not zombies, and reap those that are."""
    table = list_processes()
    new = [table[pid] for pid in descendants(table, {os.getpid()}) if table[pid].identity not in before]
    for process in new:
        if not process.is_alive and process.ppid == os.getpid():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)
    return [process for process in new if process.is_alive]


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail, and clean up by pid, if a process of the test is there 5 s after its end."""
    become_subreaper()
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    before = {process.identity for process in list_processes().values()}
    yield
    deadline = time.monotonic() + 5
    while (left := alive_below_test(before)) and time.monotonic() < deadline:
        time.sleep(0.01)
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    assert left == []
