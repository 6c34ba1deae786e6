"""Hold an interruption back while a trial is swept: a second Ctrl-C must not leave processes on any node.

While a job runs, its relay takes signals in (launch/relay.py). From its end on they would raise at once, wherever the
runner is; held back they take effect when nothing is left to be done, some 25 s later in the worst case.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held_back() -> Iterator[Callable[[object], None]]:
    """Yield what begins to hold back: to be called while a relay has these signals, so that none comes in between.

    At the end whatever has come takes effect as if it came then. For the main thread.
    """
    came: list[int] = []
    before: dict[int, signal.Handlers | Callable[[int, FrameType | None], object] | int | None] = {}

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    def begin(_: object) -> None:
        for number in HELD:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # None: not Python's, and not to be put back
                before[number] = signal.signal(number, note)

    try:
        yield begin
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)
