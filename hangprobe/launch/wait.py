"""Wait for a command while signals come in and a watchdog ticks."""

from __future__ import annotations

import select
import signal
import time
from collections.abc import Callable

from hangprobe.launch.relay import Action, Relay, decide
from hangprobe.launch.session import TERM_S, Exit, Session


def wait_for(
    session: Session, relay: Relay, tick: Callable[[], float | None], is_captured: bool
) -> tuple[Exit, int | None]:
    """Return how the command ended, and the signal by which the user ended it (None if the user did not).

    `tick` is called at once and then whenever the seconds that it returned have passed (None: never again); it may end
    the session. A transparent command gets hangprobe's signals, and a second Ctrl-C within 2 s ends its tree; a
    captured one is ended by the first signal that asks hangprobe to stop. GuardianLost passes through.
    """
    poller = select.poll()
    poller.register(session, select.POLLIN)
    poller.register(relay, select.POLLIN)
    last_interrupt_s: float | None = None
    next_tick_s: float | None = time.monotonic()
    while (ended := session.poll()) is None:
        now_s = time.monotonic()
        if next_tick_s is not None and now_s >= next_tick_s:
            pause_s = tick()
            next_tick_s = None if pause_s is None else time.monotonic() + pause_s
            pause_ms = 0.0
        else:
            pause_ms = -1.0 if next_tick_s is None else 1000 * (next_tick_s - now_s)
        poller.poll(pause_ms)
        for received in relay.read():
            action = decide(received, last_interrupt_s, time.monotonic(), is_captured)
            if received.signum == signal.SIGINT:
                last_interrupt_s = time.monotonic()
            if action in (Action.END, Action.END_NOW):
                session.end(TERM_S if action is Action.END else 0)
                return Exit(128 + received.signum, received.signum), received.signum
            if action in (Action.RELAY, Action.RELAY_AND_STOP):
                session.signal(received.signum)
            if action in (Action.STOP, Action.RELAY_AND_STOP):
                relay.stop_itself()
    return ended, None
