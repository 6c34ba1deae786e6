"""End all processes of a job, whatever they do meanwhile.

Nothing escapes by forking: all are stopped until no new one appears (what is stopped cannot fork), and then killed
until two looks in a row find nothing. What forks and exits faster than a look takes is chased where its successors
must appear, among the subreaper's own children. Nobody else is hit: a process is pid and start time; a pidfd is
opened first and the start time checked after, so a recycled pid is out of the question.

Standard library and proctree only; used by the guardian, and by hangprobe itself should the guardian be killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from hangprobe.launch.proctree import Identity, Job, Process, read_process

STOP_LIMIT_S = 3.0
CHASE_S = 0.05  # a chain of 50 us a link was caught within 10 ms in 16 of 16 runs; a look misses it for seconds
PEEK_S = 0.005  # while a look still finds something, which may not be killable
END_LIMIT_S = 10.0  # for what ignores SIGKILL: an uninterruptible read from a dead file server

_PIDFD_SEND_SIGNAL, _PIDFD_OPEN = 424, 434  # the same on every architecture but alpha; os.pidfd_open may be missing
_libc = ctypes.CDLL(None, use_errno=True)


class Delivery(Enum):
    """What became of a signal."""

    SENT = auto()
    GONE = auto()
    REFUSED = auto()
    """Another user's process, such as one that sudo started."""


class Outcome(NamedTuple):
    """What ending a job came to."""

    killed: int
    left: list[Process]  # still there at the time limit, or another user's


def open_pidfd(pid: int) -> int:
    """Return a pidfd, close-on-exec; -1 if the process is gone or the kernel (before 5.3) has none."""
    return int(_libc.syscall(ctypes.c_long(_PIDFD_OPEN), ctypes.c_long(pid), ctypes.c_long(0)))


def send(process: Process, signum: int) -> Delivery:
    """Send a signal to exactly this process."""
    pidfd = open_pidfd(process.pid)
    try:
        now = read_process(process.pid)
        if now is None or now.start_time != process.start_time:
            return Delivery.GONE
        if pidfd < 0:
            os.kill(process.pid, signum)
            return Delivery.SENT
        arguments = [ctypes.c_long(value) for value in (_PIDFD_SEND_SIGNAL, pidfd, signum, 0, 0)]
        if _libc.syscall(*arguments) == 0:
            return Delivery.SENT
        return Delivery.REFUSED if ctypes.get_errno() == errno.EPERM else Delivery.GONE
    except ProcessLookupError:
        return Delivery.GONE
    except PermissionError:
        return Delivery.REFUSED
    finally:
        if pidfd >= 0:
            os.close(pidfd)


def end_all(
    job: Job,
    reap: Callable[[], bool],
    on_stopped: Callable[[list[Process]], object] = lambda stopped: None,
    limit_s: float = END_LIMIT_S,
) -> Outcome:
    """Stop all, call `on_stopped`, kill all; returns within `limit_s` plus the time of one look.

    `reap` reaps the job's zombies among this process's children and says whether any children may be left.
    """
    started_s = time.monotonic()
    on_stopped(_stop_all(job, started_s + min(limit_s, STOP_LIMIT_S)))
    killed: set[Identity] = set()
    refused: set[Identity] = set()
    empty_looks, pause_s = 0, 0.001
    while empty_looks < 2 and time.monotonic() < started_s + limit_s:
        alive = [process for process in job.find() if process.identity not in refused]
        for process in alive:
            delivery = send(process, signal.SIGKILL)
            if delivery is not Delivery.GONE:
                (killed if delivery is Delivery.SENT else refused).add(process.identity)
        has_children = reap()
        if alive:
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.05)
        limit_chase_s = PEEK_S if alive else CHASE_S
        hit = _chase(job, reap, {pid for pid, _ in refused}, limit_chase_s) if has_children else set()
        killed |= hit
        empty_looks = 0 if alive or hit else empty_looks + 1
    return Outcome(len(killed), job.find() if refused or empty_looks < 2 else [])


def _stop_all(job: Job, deadline_s: float) -> list[Process]:
    stopped: dict[Identity, Process] = {}
    while time.monotonic() < deadline_s:
        fresh = [process for process in job.find() if process.identity not in stopped]
        sent = [process for process in fresh if send(process, signal.SIGSTOP) is Delivery.SENT]
        stopped |= {process.identity: process for process in fresh}
        if not sent:
            break
    return list(stopped.values())


def _chase(job: Job, reap: Callable[[], bool], refused: set[int], limit_s: float) -> set[Identity]:
    """Kill the subreaper's own children as fast as they appear, until there is none.

    By pid alone, without looking twice: a child's pid is not used again before it has been reaped here.
    """
    hit: set[Identity] = set()
    deadline_s = time.monotonic() + limit_s
    while time.monotonic() < deadline_s:
        pids = [pid for pid in job.orphans() if pid not in refused]
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        hit |= {process.identity for process in map(read_process, pids) if process and process.is_alive}
        if not reap():
            break
    return hit
