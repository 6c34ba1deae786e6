"""How many alarm(2) and setitimer(2) timers are set on this node.

They stand nowhere in `/proc/PID`. Root can see in `/proc/timer_list` how many there are (kernel/time/timer_list.c), not
whose; an ordinary user sees nothing, hence the words "unless it, or a process it waits for, is signalled or killed".
"""

from __future__ import annotations

from hangprobe.model import Unreadable
from hangprobe.observe.reader import Reader

HANDLER = "it_real_fn"
"""What the kernel calls when ITIMER_REAL expires (kernel/time/itimer.c)."""


def count(reader: Reader) -> int | None:
    """Return the number of real-time interval timers; None if that may not be read."""
    text = reader.text("timer_list")
    return None if isinstance(text, Unreadable) else text.count(HANDLER)
