"""Own a guardian: spawn it, dismiss it, and take its job over if it is lost.

Apart from session.py because it knows processes and descriptors, the session knows the conversation. Not loaded
by the guardian.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Collection
from pathlib import Path

from hangprobe.errors.jobs import GuardianLost
from hangprobe.launch import startup
from hangprobe.launch.ending import Outcome, end_all
from hangprobe.launch.proctree import Identity, Job, list_processes

GUARDIAN_LIMIT_S = 1.0  # to exit, when it has nothing left to do

_guardians: dict[int, subprocess.Popen[bytes]] = {}
# The guardian's end of the socket is inheritable for a moment: a command started just then would keep it open.
_spawning = threading.Lock()


def spawn_guardian() -> tuple[socket.socket, int]:
    """Start the guardian with all signals blocked; return the socket to it and its pid."""
    ours, theirs = socket.socketpair()
    program = str(Path(__file__).with_name("guardian.py"))
    environment = dict(os.environb)
    if startup.is_locale_coerced():
        del environment[b"LC_CTYPE"]
    with theirs, _spawning:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            theirs.set_inheritable(True)
            command = [sys.executable, "-I", "-S", program, str(theirs.fileno())]
            # Naming the group, which changes nothing, keeps Popen from posix_spawn(3): glibc's makes signals 32 and 33
            # ignored for good in what it starts (measured: SigIgn 0x180000000).
            # Of a group outside its PID namespace a process sees 0, which would mean a new one here: `cwd` serves too.
            group = os.getpgrp() or None
            here = None if group else "."
            guardian = subprocess.Popen(command, env=environment, close_fds=False, process_group=group, cwd=here)
        except OSError as problem:
            ours.close()
            raise GuardianLost(f"the guardian could not be started: {problem}") from problem
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    _guardians[guardian.pid] = guardian
    return ours, guardian.pid


def dismiss(guardian_pid: int) -> None:
    """Reap a guardian whose socket has been closed."""
    guardian = _guardians.get(guardian_pid)
    if guardian:
        with contextlib.suppress(subprocess.TimeoutExpired):
            guardian.wait(GUARDIAN_LIMIT_S)
            del _guardians[guardian_pid]


def children() -> set[Identity]:
    """Return this process's own children, zombies included."""
    return {process.identity for process in list_processes().values() if process.ppid == os.getpid()}


def take_over(guardian_pid: int, tag: str, not_ours: Collection[Identity]) -> Outcome:
    """End the job of a guardian that is lost, which may be alive still: its orphans are this subreaper's children.

    `not_ours`: children that this process had before the guardian; they and other guardians are left alone.
    """
    # EOF comes before the orphans: do_exit() closes files first and finds new parents later (kernel/exit.c).
    dismiss(guardian_pid)
    others = _guardians.keys() - {guardian_pid}
    spared = {identity for identity in children() if identity in not_ours or identity[0] in others}

    job = Job(os.getpid(), tag, spared)

    def reap() -> bool:
        for pid in job.orphans():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        return bool(job.orphans())

    outcome = end_all(job, reap)
    dismiss(guardian_pid)
    return outcome
