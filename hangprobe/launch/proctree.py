"""Find a job's processes: below a subreaper, and by tag.

Apart because two processes need it: the guardian, and hangprobe itself should the guardian be killed.

By descent: whoever looks is a subreaper above the job, so an orphan becomes its child, sessions and environments
notwithstanding. By tag: HANGPROBE_JOB in the environment, for what the job had started by a daemon outside of it
(slurmstepd). Never the looker or its ancestors.

Standard library only. Assumes /proc of the own PID namespace. One look is not atomic: a process that forks and
exits all the time can be missed by it (ending.py deals with that).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable
from typing import NamedTuple

ENVIRON_LIMIT_S = 1.0

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
        pids = self.below(table) | tagged | descendants(table, tagged, self.spared)
        pids -= ancestors(table, os.getpid())
        return [table[pid] for pid in sorted(pids) if table[pid].is_alive]

    def below(self, table: dict[int, Process]) -> set[int]:
        """Return the pids found by descent."""
        return descendants(table, {self.root}, self.spared)

    def orphans(self) -> list[int]:
        """Return the pids of the root's own children, zombies included; one read (CONFIG_PROC_CHILDREN), 20 us."""
        spared = {pid for pid, _ in self.spared}
        found = []
        try:
            for thread in os.listdir(f"/proc/{self.root}/task"):
                with open(f"/proc/{self.root}/task/{thread}/children", "rb", buffering=0) as file:
                    found += [int(word) for word in file.read().split()]
        except OSError:
            return []
        return [pid for pid in found if pid not in spared]

    def _tagged(self, table: dict[int, Process]) -> set[int]:
        if self._is_environ_late:
            return set()
        paths = {f"/proc/{pid}/environ": pid for pid, process in table.items() if process.is_alive}
        texts, in_time = read_within(ENVIRON_LIMIT_S, paths)
        self._is_environ_late = not in_time
        return {paths[path] for path, text in texts.items() if self._marker in b"\0" + text + b"\0"}
