"""Find a job's processes and end them all, whatever they do meanwhile.

Apart because two processes need it: the guardian, and hangprobe itself should the guardian be killed.

Found by descent: whoever looks is a subreaper above the job, so an orphan becomes its child, sessions and
environments notwithstanding. Found by tag: HANGPROBE_JOB in the environment, for what the job had started by a
daemon outside of it (slurmstepd). Never the looker or its ancestors.

Ended so that nothing escapes: all are stopped until no new one appears (what is stopped cannot fork), and then
killed until two looks in a row find nothing. A process is pid and start time; a pidfd is opened first and the
start time checked after, so a recycled pid is never hit.

Standard library only. Assumes /proc of the own PID namespace.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

_PIDFD_SEND_SIGNAL, _PIDFD_OPEN = 424, 434  # the same on every architecture but alpha; os.pidfd_open may be missing
STOP_LIMIT_S = 3.0
END_LIMIT_S = 10.0  # for what ignores SIGKILL: an uninterruptible read from a dead file server
ENVIRON_LIMIT_S = 1.0

_libc = ctypes.CDLL(None, use_errno=True)
Identity = tuple[int, int]


class Process(NamedTuple):
    """One line of /proc/PID/stat."""

    pid: int
    ppid: int
    start_time: int  # clock ticks since boot
    state: str
    threads: int
    name: str

    @property
    def identity(self) -> Identity:
        """Pid and start time."""
        return self.pid, self.start_time

    @property
    def is_alive(self) -> bool:
        """False for a zombie; one with threads left is a process whose main thread alone has ended."""
        return self.state not in "ZX" or self.threads > 1


class Outcome(NamedTuple):
    """What ending a job came to."""

    killed: int
    left: list[Process]  # still there at the time limit, or not ours to signal


def parse_stat(text: bytes) -> Process:
    """Read /proc/PID/stat; the name may contain anything, so fields count from the last ')': proc(5)."""
    head, _, tail = text.rpartition(b")")
    pid, _, name = head.partition(b" (")
    fields = tail.split()
    state = fields[0].decode("ascii", "replace")
    return Process(
        int(pid), int(fields[1]), int(fields[19]), state, int(fields[17]), name.decode("utf-8", "backslashreplace")
    )


def read_process(pid: int) -> Process | None:
    """Return process `pid`, or None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            return parse_stat(file.read())
    except (OSError, ValueError, IndexError):
        return None


def list_processes() -> dict[int, Process]:
    """Return every process that can be seen, zombies included, by pid."""
    found = (read_process(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return {process.pid: process for process in found if process}


def descendants(table: dict[int, Process], roots: Iterable[int], spared: Collection[Identity] = ()) -> set[int]:
    """Return the pids below `roots`, not the roots themselves, without the subtrees of `spared`."""
    children: dict[int, list[int]] = {}
    for process in table.values():
        if process.identity not in spared:
            children.setdefault(process.ppid, []).append(process.pid)
    found: set[int] = set()
    todo = list(roots)
    while todo:
        fresh = [pid for pid in children.get(todo.pop(), ()) if pid not in found]
        found.update(fresh)
        todo += fresh
    return found


def ancestors(table: dict[int, Process], pid: int) -> set[int]:
    """Return `pid` and all pids above it."""
    found: set[int] = set()
    while pid not in found:
        found.add(pid)
        pid = table[pid].ppid if pid in table else 0
    return found


def read_within(limit_s: float, paths: Iterable[str]) -> tuple[dict[str, bytes], bool]:
    """Read files that may block for ever (they take the target's mmap lock); False: not all in time."""
    texts: dict[str, bytes] = {}

    def read_all() -> None:
        for path in paths:
            try:
                with open(path, "rb", buffering=0) as file:
                    texts[path] = file.read()
            except OSError:
                continue

    reader = threading.Thread(target=read_all, daemon=True)
    try:
        reader.start()
    except RuntimeError:
        return {}, False
    reader.join(limit_s)
    return texts.copy(), not reader.is_alive()


class Job:
    """Where a job's processes are looked for: below `root`, and by `tag` everywhere."""

    def __init__(self, root: int, tag: str, spared: Collection[Identity] = ()) -> None:
        """`spared`: processes below `root` that do not belong to the job, nor does what is below them."""
        self.root = root
        self.spared = spared
        self._marker = b"\0HANGPROBE_JOB=" + os.fsencode(tag) + b"\0"
        self._is_environ_late = False

    def find(self) -> list[Process]:
        """Return the job's processes that are alive now."""
        table = list_processes()
        tagged = self._tagged(table)
        pids = descendants(table, {self.root}, self.spared) | tagged | descendants(table, tagged, self.spared)
        pids -= ancestors(table, os.getpid())
        return [table[pid] for pid in sorted(pids) if table[pid].is_alive]

    def _tagged(self, table: dict[int, Process]) -> set[int]:
        if self._is_environ_late:
            return set()
        paths = {f"/proc/{pid}/environ": pid for pid, process in table.items() if process.is_alive}
        texts, in_time = read_within(ENVIRON_LIMIT_S, paths)
        self._is_environ_late = not in_time
        return {paths[path] for path, text in texts.items() if self._marker in b"\0" + text + b"\0"}


def open_pidfd(pid: int) -> int:
    """Return a pidfd, close-on-exec; -1 if the process is gone or the kernel (before 5.3) has none."""
    return int(_libc.syscall(ctypes.c_long(_PIDFD_OPEN), ctypes.c_long(pid), ctypes.c_long(0)))


def send(process: Process, signum: int) -> bool:
    """Send a signal to exactly this process; False if that is not permitted, True also if it is gone."""
    pidfd = open_pidfd(process.pid)
    try:
        now = read_process(process.pid)
        if now is None or now.start_time != process.start_time:
            return True
        if pidfd >= 0:
            arguments = [ctypes.c_long(value) for value in (_PIDFD_SEND_SIGNAL, pidfd, signum, 0, 0)]
            return _libc.syscall(*arguments) == 0 or ctypes.get_errno() != errno.EPERM
        os.kill(process.pid, signum)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    finally:
        if pidfd >= 0:
            os.close(pidfd)
    return True


def end_all(
    find: Callable[[], list[Process]],
    reap: Callable[[], object],
    on_stopped: Callable[[list[Process]], object] = lambda stopped: None,
    limit_s: float = END_LIMIT_S,
) -> Outcome:
    """Stop all, call `on_stopped`, kill all; returns within `limit_s` plus the time of one look."""
    started = time.monotonic()
    stopped: dict[Identity, Process] = {}
    while time.monotonic() < started + STOP_LIMIT_S:
        fresh = [process for process in find() if process.identity not in stopped]
        if not fresh:
            break
        for process in fresh:
            send(process, signal.SIGSTOP)
            stopped[process.identity] = process
    on_stopped(list(stopped.values()))
    killed: set[Identity] = set()
    refused: set[Identity] = set()
    empty_looks, pause_s = 0, 0.001
    while empty_looks < 2 and time.monotonic() < started + limit_s:
        alive = [process for process in find() if process.identity not in refused]
        empty_looks = 0 if alive else empty_looks + 1
        for process in alive:
            (killed if send(process, signal.SIGKILL) else refused).add(process.identity)
        reap()
        if alive:
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.05)
    return Outcome(len(killed), find() if refused or empty_looks < 2 else [])
