"""A testbed that serves many trials, and what a trial has left on it."""

from __future__ import annotations

import time
from dataclasses import dataclass

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


def _present(testbed: Testbed) -> list[Process]:
    table = list_processes()
    found = (table[pid] for pid in descendants(table, {testbed.state.owner_pid}))
    return [process for process in found if process.is_alive]
