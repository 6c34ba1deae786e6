"""The scheduler's clocks against the monotonic clock: when a sleeping thread last ran.

`/proc/PID/task/TID/sched` shows when a thread was last given a processor, by the clock of that processor's run queue
(`rq_clock_task`, kernel/sched/core.c). It leaves out time stolen by a hypervisor and, on some kernels, time spent in
interrupts, so each processor has its own: 0.3 s apart after six hours on a virtual machine with 0.02 % steal. So each
clock is read on its own processor and compared with CLOCK_MONOTONIC. What is stolen during the sleep itself makes it
look shorter, never longer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hangprobe.model import Unreadable
from hangprobe.observe.procfs import parse_last_ran

KEPT_S = 30.0
"""For how long a comparison is used: reading one takes a migration, 0.35 ms on an idle processor."""


def own_last_ran() -> float | None:
    """Return when this thread was given its processor, by that processor's clock."""
    try:
        with open("/proc/thread-self/sched") as file:
            found = parse_last_ran(file.read())
    except OSError:
        return None
    return None if isinstance(found, Unreadable) else found


@dataclass(slots=True)
class Clocks:
    """The clocks of this machine's processors, as far as this process may run on them."""

    last_ran: Callable[[], float | None] = own_last_ran
    monotonic: Callable[[], float] = time.monotonic
    move: Callable[[int, Iterable[int]], None] = os.sched_setaffinity
    allowed: Callable[[int], set[int]] = os.sched_getaffinity
    _behind_s: dict[int, tuple[float, float | None]] = field(default_factory=dict)
    """By processor: when it was compared, and what must be added to its clock; None if that cannot be told."""

    def compare(self, processors: Iterable[int]) -> None:
        """Compare the clocks of some processors, by running on each of them for a moment."""
        now_s = self.monotonic()
        due = [p for p in sorted(set(processors)) if p not in self._behind_s or now_s - self._behind_s[p][0] > KEPT_S]
        if not due:
            return
        home = self.allowed(0)
        try:
            for processor in due:
                self._behind_s[processor] = (self.monotonic(), self._read_on(processor))
        finally:
            self.move(0, home)

    def _read_on(self, processor: int) -> float | None:
        try:
            self.move(0, {processor})
        except OSError:  # offline, or outside the cpuset(7) of this process
            return None
        ran = self.last_ran()
        return None if ran is None else self.monotonic() - ran

    def in_monotonic(self, last_ran_s: float, processor: int | None) -> float | None:
        """Return a time of a processor's clock as monotonic seconds; None if it has not been compared."""
        behind_s = self._behind_s.get(processor, (0.0, None))[1] if processor is not None else None
        return None if behind_s is None else last_ran_s + behind_s
