"""hangprobe's own signals while it stands between a command and whoever sends signals to it.

Apart from the session because it concerns hangprobe's process, not the job's. In transparent mode the command is
in the same process group, so what the terminal sends has reached it already; what somebody sends to hangprobe
alone (a batch system, `kill PID`) has not. signalfd(2) tells them apart: the kernel's own signals carry SI_KERNEL.

Signals of one number that come while nobody reads merge into one: a second Ctrl-C is seen as such only if the first
had been read before it.

Assumes: entered in the main thread before other threads exist (they inherit the mask), right before the session
is started. Other children of hangprobe started meanwhile inherit the blocked mask as well: end them with SIGKILL.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import NoReturn, Self

from hangprobe.launch import startup
from hangprobe.launch.session import Exit

RELAYED = frozenset(
    {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP}
    | {signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP, signal.SIGCONT}
)
SECOND_INTERRUPT_S = 2.0

_SI_KERNEL = 0x80  # asm-generic/siginfo.h
_PR_SET_DUMPABLE = 4  # linux/prctl.h
_SIGINFO_BYTES = 128  # struct signalfd_siginfo: ssi_signo u32, ssi_errno s32, ssi_code s32, ssi_pid u32, ...
_SIGSET_BYTES = 128  # sigset_t of glibc and musl


@dataclass(frozen=True, slots=True)
class Received:
    """One signal that hangprobe got."""

    signum: int
    from_kernel: bool  # the terminal: sent to the whole foreground process group
    pid: int  # the sender; 0 for the kernel
    is_for_leader: bool = False  # the terminal hung up, and told only the session leader: hangprobe


class Action(Enum):
    """What a signal asks of hangprobe."""

    NOTHING = auto()
    RELAY = auto()
    """Send it on to the command."""
    STOP = auto()
    """Stop hangprobe too; the command has been stopped already, or need not be."""
    RELAY_AND_STOP = auto()
    END = auto()
    """End the job: SIGTERM, then SIGKILL."""
    END_NOW = auto()
    """End the whole tree at once."""


def decide(received: Received, last_interrupt_s: float | None, now_s: float, is_captured: bool = False) -> Action:
    """Say what to do about a signal; `last_interrupt_s`: monotonic time of the previous SIGINT, if any."""
    is_recent = last_interrupt_s is not None and now_s - last_interrupt_s <= SECOND_INTERRUPT_S
    if received.signum == signal.SIGINT and is_recent:
        return Action.END_NOW
    if is_captured:
        if received.signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            return Action.END
        return Action.STOP if received.signum == signal.SIGTSTP else Action.NOTHING
    if received.signum == signal.SIGTSTP:
        return Action.STOP if received.from_kernel else Action.RELAY_AND_STOP
    if received.signum == signal.SIGCONT:
        return Action.RELAY
    return Action.NOTHING if received.from_kernel and not received.is_for_leader else Action.RELAY


class Relay:
    """Blocks the relayed signals and receives them as data; a context manager that restores the mask."""

    def __init__(self) -> None:
        """Prepare; nothing changes before the context is entered."""
        # A signal ignored at the start (nohup, `&` in a script) stays ignored: blocked it would be queued: signal(7).
        self.signals = frozenset(s for s in RELAYED if signal.getsignal(s) is not signal.SIG_IGN)
        self.original_mask: frozenset[int] = frozenset()
        self._descriptor = -1

    def __enter__(self) -> Self:
        """Block the signals and open the signalfd."""
        startup.fill_standard_descriptors()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self.signals)
        self.original_mask = frozenset(int(number) for number in before)
        self._descriptor = _open_signalfd(self.signals)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what was not read, close, and restore the mask."""
        self.read()
        os.close(self._descriptor)
        self._descriptor = -1
        signal.pthread_sigmask(signal.SIG_SETMASK, self.original_mask)

    def fileno(self) -> int:
        """Readable when a signal has come."""
        return self._descriptor

    def read(self) -> list[Received]:
        """Return the signals that have come; does not wait."""
        try:
            data = os.read(self._descriptor, 64 * _SIGINFO_BYTES)
        except BlockingIOError:
            return []
        # A hang-up signals the session leader, and the group only when that has exited: tty_jobctrl.c.
        return parse_siginfo(data, is_session_leader=os.getsid(0) == os.getpid())

    def stop_itself(self) -> None:
        """Stop this process by SIGTSTP's default action, and return once it is continued.

        Not SIGSTOP: without a job-control shell above (`ssh -t`, a container) the kernel ignores SIGTSTP because
        nobody could continue the group (orphaned, setpgid(2)); SIGSTOP would stop hangprobe for ever.
        """
        signal.raise_signal(signal.SIGTSTP)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTSTP} & self.signals)


def parse_siginfo(data: bytes, is_session_leader: bool = False) -> list[Received]:
    """Read what a signalfd gives: signalfd(2)."""
    found = []
    for offset in range(0, len(data) - _SIGINFO_BYTES + 1, _SIGINFO_BYTES):
        signum, _, code, pid = struct.unpack_from("=IiiI", data, offset)
        from_kernel = code == _SI_KERNEL
        found.append(Received(signum, from_kernel, pid, from_kernel and is_session_leader and signum == signal.SIGHUP))
    return found


def _open_signalfd(signals: frozenset[signal.Signals]) -> int:
    wanted = ctypes.create_string_buffer(_SIGSET_BYTES)
    startup.libc.sigemptyset(wanted)
    for number in signals:
        startup.libc.sigaddset(wanted, int(number))
    # signalfd(2): SFD_CLOEXEC and SFD_NONBLOCK are the O_ flags of the same name.
    descriptor = startup.libc.signalfd(-1, wanted, os.O_CLOEXEC | os.O_NONBLOCK)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "signalfd")
    return int(descriptor)


def leave_like(ended: Exit) -> NoReturn:
    """End this process as the command ended, by the same signal if it was one, so that a shell sees no difference.

    timeout(1) does the same: a script's shell stops at Ctrl-C only if its child died of SIGINT. No second core is
    written, and nothing is flushed: that is the caller's business.
    """
    if ended.signal is not None:
        startup.libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        if ended.signal not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(ended.signal, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {ended.signal})
        os.kill(os.getpid(), ended.signal)
    os._exit(ended.status)
