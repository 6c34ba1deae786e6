"""Run a command of hangprobe once more on the login node of a testbed that lives as long as it does.

Signals reach the inner command once. What the terminal sends goes to the whole foreground process group, the inner
command included; what somebody sends to this process alone is sent on. `si_code` tells them apart: the kernel's own
signals carry SI_KERNEL (sigaction(2)). They stay blocked here and, by inheritance, in nsenter(1), which would die of
them at once and take the inner command with it (its parent-death signal) before that has finished its record; the
inner command unblocks them (`welcome`) once it can take them, so that none is lost while it starts.

However the inner command ends, kill -9 included, the testbed is taken down. If this process is killed -9, the testbed's
owner sees the end of its pipe and takes it down with everything in it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.layout import LOGIN

INSIDE = "HANGPROBE_INSIDE"
"""Set for the inner command: `testbed`."""
RELAYED = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_SI_KERNEL = 0x80  # asm-generic/siginfo.h
_APPEAR_S = 5.0
"""For nsenter(1) to have forked."""


def run(
    words: Sequence[str], nodes: int, shares: Sequence[Path], variables: Mapping[str, str], has_slurm: bool = False
) -> int:
    """Bring a testbed up, run `hangprobe WORDS` on its login node, take it down; return the exit status (128+N).

    Raises what Testbed.up raises.
    """
    waited = RELAYED | {signal.SIGCHLD}
    with Testbed.up(nodes, f"compare-{os.getpid()}", shares=shares, has_slurm=has_slurm) as bed:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
        try:
            command = [sys.executable, "-m", "hangprobe", *words]
            inner = subprocess.Popen(bed.command(LOGIN, command), env={**os.environ, INSIDE: "testbed", **variables})
            status = _wait(inner)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return 128 - status if status < 0 else status


def welcome() -> None:
    """Take the signals that were held back while the inner command started; SIGHUP ends it as SIGTERM does."""
    signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, RELAYED | {signal.SIGCHLD})


def _wait(inner: subprocess.Popen[bytes]) -> int:
    """Wait for the inner command, sending on what was sent to this process alone."""
    while True:
        received = signal.sigtimedwait(RELAYED | {signal.SIGCHLD}, 1.0)  # 1 s: a SIGCHLD may have been taken by others
        if received is not None and received.si_signo != signal.SIGCHLD and received.si_code != _SI_KERNEL:
            _send(inner, received.si_signo)
        if (status := inner.poll()) is not None:
            return status


def _send(inner: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to the process that nsenter(1) waits for; it is its only child."""
    deadline_s = time.monotonic() + _APPEAR_S
    children = Path(f"/proc/{inner.pid}/task/{inner.pid}/children")
    with contextlib.suppress(OSError):
        while not (pids := children.read_text().split()) and time.monotonic() < deadline_s:
            time.sleep(0.02)
        for pid in pids:
            os.kill(int(pid), number)
