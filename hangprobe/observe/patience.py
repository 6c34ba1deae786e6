"""A limit for what touches a file system that may be dead: it is done in a thread, which is left behind if it is late.

A thread in an uninterruptible wait can be ended by nobody, so there is never more than one: until it comes back nothing
else is tried, and whoever asks is told at once that nothing is known.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

LIMIT_S = 2.0
"""For one look at a folder: a file server under load answers in tenths of a second."""


@dataclass(slots=True)
class Patience:
    """Does one job at a time for a caller who does not wait for ever. Starting the thread takes 0.1 ms."""

    limit_s: float = LIMIT_S
    _late: threading.Thread | None = None

    def get(self, job: Callable[[], T]) -> T | None:
        """Return what a job returns; None if it is late or raises, or if an earlier one is late still."""
        if self._late is not None and self._late.is_alive():
            return None
        found: list[T] = []

        def run() -> None:
            # a signal to the process must not find a thread that has it unblocked: the relay reads them all
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            with contextlib.suppress(OSError):
                found.append(job())

        thread = threading.Thread(target=run, daemon=True, name="hangprobe-patience")
        with contextlib.suppress(RuntimeError):  # no more threads may be started
            thread.start()
            thread.join(self.limit_s)
        if found:
            return found[0]
        self._late = thread
        return None
