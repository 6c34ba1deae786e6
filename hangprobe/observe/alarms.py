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


READS = 3
"""The kernel walks its timers by number, and takes its lock anew for each: where an earlier one goes off meanwhile the
next is passed over (print_active_timers in kernel/time/timer_list.c). A read takes 0.45 ms."""


def real_timers(reader: Reader) -> frozenset[str] | None:
    """Return the real-time interval timers that are set, one a process; None if they may not be read."""
    timers = expiries(reader)
    return None if timers is None else frozenset(timers)


def expiries(reader: Reader) -> Mapping[str, float] | None:
    """Return the same with when each goes off, in monotonic seconds."""
    texts = [reader.text("timer_list") for _ in range(READS)]
    if any(isinstance(text, Unreadable) for text in texts):
        return None
    return {timer: int(at) / 1e9 for text in texts for timer, at in _TIMER.findall(str(text))}
