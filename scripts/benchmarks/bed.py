"""A testbed that serves many trials, and what a trial has left on it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hangprobe.launch.proctree import Identity, Process, descendants, list_processes
from hangprobe.testbed.cluster import Testbed

LEAVE_S = 2.0
"""For what ends by itself at the end of a job: an sshd, a proxy, an observer that had only begun."""


@dataclass(frozen=True, slots=True)
class Bed:
    """A testbed and the processes that it had before any trial."""

    testbed: Testbed
    own: frozenset[Identity]

    @classmethod
    def of(cls, testbed: Testbed) -> Bed:
        """Return a testbed that has just come up."""
        return cls(testbed, frozenset(process.identity for process in _present(testbed)))

    def leftovers(self, leave_s: float = LEAVE_S) -> list[str]:
        """Return what is there that was not, once it has had some time to leave."""
        deadline_s = time.monotonic() + leave_s
        while True:
            fresh = [process for process in _present(self.testbed) if process.identity not in self.own]
            if not fresh or time.monotonic() >= deadline_s:
                return [f"{process.pid} {process.name} ({process.state})" for process in fresh]
            time.sleep(0.05)


@contextmanager
def up(nodes: int, name: str) -> Iterator[tuple[Bed, Path]]:
    """Yield a testbed for a bench, and a folder that all of it sees."""
    with (
        tempfile.TemporaryDirectory(prefix=f"hangprobe-{name}-") as folder,
        Testbed.up(nodes, name=f"bench-{os.getpid()}", shares=(Path(folder), Path.cwd())) as testbed,
    ):
        yield Bed.of(testbed), Path(folder)


def _present(testbed: Testbed) -> list[Process]:
    table = list_processes()
    found = (table[pid] for pid in descendants(table, {testbed.state.owner_pid}))
    return [process for process in found if process.is_alive]
