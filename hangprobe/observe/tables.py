"""The descriptor tables of every process of the node, read once in a collect, and what may be in them unseen.

Processes come and go during the look, some may not be read, threads may have tables of their own, and a system call
keeps a file that no table shows any more. Each of these is kept with its reason; what it means for an object is for
`holders` to say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hangprobe.model import Unreadable
from hangprobe.observe.procfs import PF_KTHREAD, parse_call
from hangprobe.observe.world import World

ROUNDS = 3
"""Looks at /proc before processes that come and go make every holder unknown."""

FILE_ARGUMENTS: Mapping[str, Mapping[int, tuple[int, ...]]] = {
    # read, write, readv, writev, vmsplice, preadv2, pwritev2, sendto, recvfrom, sendmsg, recvmsg; sendfile, tee;
    # splice, copy_file_range
    "x86_64": {
        **dict.fromkeys((0, 1, 19, 20, 278, 327, 328, 44, 45, 46, 47), (0,)),
        **dict.fromkeys((40, 276), (0, 1)),
        **dict.fromkeys((275, 326), (0, 2)),
    },
    "aarch64": {
        **dict.fromkeys((63, 64, 65, 66, 75, 286, 287, 206, 207, 211, 212), (0,)),
        **dict.fromkeys((71, 77), (0, 1)),
        **dict.fromkeys((76, 285), (0, 2)),
    },
}
"""Which arguments of system calls are descriptors, by the numbers of `waits.shapes`."""


@dataclass(frozen=True, slots=True)
class Holding:
    """One descriptor of one process."""

    pid: int
    path: str
    """Below `/proc`: the task's folder whose table has it."""
    number: int


@dataclass(slots=True)
class Tables:
    """Every descriptor of every process that may be read."""

    world: World
    by_link: dict[str, list[Holding]] = field(default_factory=dict)
    """By what it leads to."""
    blind: dict[int, str] = field(default_factory=dict)
    """Processes that may have anything, and why."""
    inside: dict[int, str] = field(default_factory=dict)
    """Processes that may have, inside a system call, what no descriptor shows. A busy reader may look so by chance."""
    unlooked: set[int] = field(default_factory=set)
    """Processes that came while all others were looked at."""

    def settle(self, look: Callable[[int], None]) -> None:
        """Look at every process, and list them again until there is none that was not looked at."""
        done: set[int] = set()
        for _ in range(ROUNDS):
            for pid in self.processes():
                if pid not in done:
                    look(pid)
                    done.add(pid)
            self.world.scan()
            if self.world.is_settled and done.issuperset(self.processes()):
                return
        self.unlooked |= {*self.processes(), *self.world.newcomers} - done

    def processes(self) -> list[int]:
        """Return the pids of all that are no threads of the kernel."""
        return [pid for pid, stat in self.world.stats.items() if not (stat.flags or 0) & PF_KTHREAD]

    def read(self, pid: int) -> None:
        """Read the descriptors of a process, and of its threads that have a table of their own."""
        stat = self.world.stats[pid]
        if stat.has_ended:
            return
        first = self.world.living(pid)
        self._read_table(pid, f"{pid}/task/{first}")
        if stat.thread_count == 1 or pid in self.blind:
            return
        tasks = self.world.tasks(pid)
        if isinstance(tasks, Unreadable):
            self.blind[pid] = tasks.why
            return
        for tid in tasks:
            self._see_inside(pid, tid)
            if tid == first:
                continue
            shared = self.world.same_files(first, tid)
            if shared is None:
                task = self.world.reader.stat(pid, tid)
                if not isinstance(task, Unreadable) and task.state not in {"Z", "X"}:
                    self.blind[pid] = f"whether thread {tid} has descriptors of its own cannot be told"
            elif not shared:
                self._read_table(pid, f"{pid}/task/{tid}")

    def _see_inside(self, pid: int, tid: int) -> None:
        """A system call keeps its files open though another thread has closed their descriptors (fs/file.c, fdget).

        A thread that has moved on meanwhile has closed nothing under a call; hangprobe reads its own call in one.
        """
        reader, base = self.world.reader, f"{pid}/task/{tid}"
        call = reader.text(f"{base}/syscall") if pid != os.getpid() else "running"
        words = call if isinstance(call, Unreadable) else parse_call(call)
        if isinstance(words, Unreadable):
            return  # running: the other collect will see it, or it has the descriptor still
        for index in FILE_ARGUMENTS.get(self.world.arch, {}).get(words[0], ()):
            link = reader.link(f"{base}/fd/{words[1 + index] & 0xFFFFFFFF}")
            if isinstance(link, Unreadable) and link.why == "gone" and reader.text(f"{base}/syscall") == call:
                self.inside[pid] = f"thread {tid} is in a system call with a descriptor that has been closed"

    def _read_table(self, pid: int, path: str) -> None:
        reader = self.world.reader
        numbers = reader.numbers(f"{path}/fd")
        if isinstance(numbers, Unreadable):
            if numbers.why != "gone":
                self.blind[pid] = numbers.why
            return
        for number in numbers:
            link = reader.link(f"{path}/fd/{number}")
            if not isinstance(link, Unreadable):
                self.by_link.setdefault(link, []).append(Holding(pid, path, number))
            elif link.why != "gone":
                self.blind[pid] = link.why
