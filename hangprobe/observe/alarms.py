"""Which alarm(2) and setitimer(2) timers are set on this node.

They stand nowhere in `/proc/PID`. Root can see them in `/proc/timer_list` (kernel/time/timer_list.c), but not whose
they are; an ordinary user sees nothing, hence the words "unless it, or a process it waits for, is signalled or killed".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hangprobe.model import Unreadable
from hangprobe.observe.reader import Reader

_TIMER = re.compile(r"<([^>]*)>, it_real_fn\b[^\n]*\n # expires at ([0-9]+)-")
"""A timer's address, hashed by the kernel, what it calls: ITIMER_REAL's function (kernel/time/itimer.c), and when, in
nanoseconds of CLOCK_MONOTONIC."""


def real_timers(reader: Reader) -> frozenset[str] | None:
    """Return the real-time interval timers that are set, one a process; None if they may not be read."""
    timers = expiries(reader)
    return None if timers is None else frozenset(timers)


def expiries(reader: Reader) -> Mapping[str, float] | None:
    """Return the same with when each goes off, in monotonic seconds."""
    text = reader.text("timer_list")
    return None if isinstance(text, Unreadable) else {timer: int(at) / 1e9 for timer, at in _TIMER.findall(text)}
