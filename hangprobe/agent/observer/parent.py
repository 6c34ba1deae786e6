"""An observer that is the parent of its rank: to the launcher it stands for the rank, from signals to the exit status.

Only where the kernel lets none but ancestors read a process (Yama). Launcher and terminal send their signals to the
whole process group, so those have reached the rank already; what anybody else sends to this process alone has not.
signalfd(2) tells who sent one, not to whom: see `decide`.
"""

from __future__ import annotations

import os
import signal
from enum import Enum, auto
from typing import NoReturn

from hangprobe.launch.relay import Received, Relay, leave_like
from hangprobe.launch.session import Exit


class Action(Enum):
    """What a signal asks of a parent."""

    NOTHING = auto()
    """The rank has it already."""
    RELAY = auto()
    STOP = auto()
    """Stop too, as the rank has been stopped."""
    RELAY_AND_STOP = auto()


def decide(received: Received, launcher: int) -> Action:
    """Say what to do about a signal; `launcher` is the pid of this process's own parent.

    Hydra's and Open MPI's daemons signal a rank's group: HYD_pmcd_pmip_send_signal, `killpg`; prte_odls_base_default,
    `kill(-pgid)`. A hang-up is told to the session leader alone.
    """
    is_for_all = (received.from_kernel and not received.is_for_leader) or received.pid == launcher
    if received.signum == signal.SIGTSTP:
        return Action.STOP if is_for_all else Action.RELAY_AND_STOP
    return Action.NOTHING if is_for_all else Action.RELAY


class Parent:
    """The rank and the signals of this process; to be made before there are threads, which inherit the mask."""

    def __init__(self) -> None:
        self._relay = Relay()
        self._child = 0
        self._status: int | None = None

    def begin(self, child: int) -> None:
        """Receive signals for a child from now on. What came since rank.py blocked them is received too."""
        self._child = child
        self._relay.__enter__()

    def fileno(self) -> int:
        """Readable when a signal has come."""
        return self._relay.fileno()

    def poll(self) -> int | None:
        """Relay what has come; return the child's wait status once it has ended."""
        for received in self._relay.read():
            action = decide(received, os.getppid())
            if action in (Action.RELAY, Action.RELAY_AND_STOP) and self._status is None:
                os.kill(self._child, received.signum)
            if action in (Action.STOP, Action.RELAY_AND_STOP):
                self._relay.stop_itself()
        if self._status is None:
            pid, status = os.waitpid(self._child, os.WNOHANG)
            self._status = status if pid else None
        return self._status

    def leave(self, status: int) -> NoReturn:
        """End as the child did: with its status, or by its signal."""
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        leave_like(Exit(128 + number if number else os.WEXITSTATUS(status), number))
