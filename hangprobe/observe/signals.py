"""Which caught signals say that a process means to be woken by one, and which every such process catches.

A Python process in `Event().wait()` with a handler for TERM is a daemon, not a hang. But every rank of an MPI program
catches some: INT by Python itself, crash signals by UCX, HUP by libucs, USR1 by MPICH's libmpi (measured on the PyPI
wheels), 32 and 33 by glibc's threads (signal(7)), and a forked child has the handlers of its parent.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable

from hangprobe.model import Unreadable
from hangprobe.observe.world import World

SAY_NOTHING = frozenset(
    {
        signal.SIGSEGV,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGABRT,
        signal.SIGTRAP,
        signal.SIGSYS,
        signal.SIGPIPE,
        32,
        33,
    }
)
_PYTHON = re.compile(r"^(libpython3|python3?(\.\d+)?$)")
RUNTIMES = re.compile(
    r"^(libmpi|libmpich|libmpicxx|libopen-rte|libopen-pal|libprrte|libpmix|libucs|libucp|libfabric)[._-]"
)
_MPICH = re.compile(r"^(libmpi\.so(\.12|$)|libmpich|libmpi_abi)")  # a bare libmpi.so is that of Intel MPI's wheel


def reason(pid: int, world: World) -> str | None:
    """Say why a signal might wake a thread of this process; None if it catches none that says anything."""
    status, stat = world.status(pid), world.stats.get(pid)
    if isinstance(status, Unreadable) or status.caught is None or stat is None:
        return "may catch signals: its signal mask cannot be read"
    caught = status.caught - SAY_NOTHING
    timers = _timers(pid, world)
    if not caught:
        return timers
    names = world.names(pid)
    if stat.tty == 0 and any(_PYTHON.match(name) for name in names):
        caught -= {signal.SIGINT}
    if any(name.startswith(("libucs.", "libucs-")) for name in names):
        caught -= {signal.SIGHUP}
    if any(_MPICH.match(name) for name in names):
        caught -= {signal.SIGUSR1}
    if (forked_by := world.fork_parent(pid)) is not None:
        parent = world.status(forked_by)
        if not isinstance(parent, Unreadable) and parent.caught is not None:
            caught -= parent.caught
    if caught:
        return f"catches {', '.join(signal_name(number) for number in sorted(caught))}"
    return timers


def _timers(pid: int, world: World) -> str | None:
    """Say whether a process has POSIX timers; kernels without checkpoint support show none (CONFIG_CHECKPOINT_RESTORE).

    alarm(2) and setitimer(2) are not to be seen in `/proc`.
    """
    text = world.reader.text(f"{pid}/timers")
    if isinstance(text, Unreadable):
        return None if text.why == "gone" else f"may have a POSIX timer: its timers cannot be read ({text.why})"
    return "has a POSIX timer that is set" if text.strip() else None


def runtimes(names: Iterable[str]) -> tuple[str, ...]:
    """Return the MPI runtime libraries among the names of mapped files."""
    return tuple(sorted(name for name in names if RUNTIMES.match(name)))


def signal_name(number: int) -> str:
    """Return a signal's short name."""
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return str(number)
