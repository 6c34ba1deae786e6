"""The processes of a node as one collect sees them: who is whose child, and what is known of the suspects.

The list of processes is read again until no unseen one remains; facts that cost more are read once a collect, and only
of the processes that somebody asks for. Facts are read through a living thread: where the main thread has left by
pthread_exit(3), the files of the process itself are empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hangprobe.model import ProcessId, ThreadId, Unreadable
from hangprobe.observe.kcmp import is_same_memory
from hangprobe.observe.procfs import PF_KTHREAD, Mapping, Stat, Status, parse_maps, parse_status
from hangprobe.observe.reader import Reader
from hangprobe.observe.waits.shapes import machine

ROUNDS = 3
"""Lists of /proc in one collect before a node on which processes come and go is called unsettled."""

SameMemory = Callable[[int, int], "bool | None"]


@dataclass(slots=True)
class World:
    """Every process of one node in one collect."""

    reader: Reader
    host: str
    arch: str = field(default_factory=machine)
    same_memory: SameMemory = is_same_memory
    stats: dict[int, Stat] = field(default_factory=dict)
    is_settled: bool = False
    _children: dict[int, list[int]] = field(default_factory=dict)
    _tasks: dict[int, list[int] | Unreadable] = field(default_factory=dict)
    _status: dict[int, Status | Unreadable] = field(default_factory=dict)
    _maps: dict[int, tuple[Mapping, ...] | Unreadable] = field(default_factory=dict)
    _links: dict[int, dict[int, str] | Unreadable] = field(default_factory=dict)
    _word_size: dict[int, int | Unreadable] = field(default_factory=dict)
    _stacks: dict[int, str] = field(default_factory=dict)
    _tracees: dict[int, list[int]] | None = None

    def scan(self) -> None:
        """Read the list of processes until a round brings no unseen one."""
        for _ in range(ROUNDS):
            pids = self.reader.numbers(".")
            unseen = [] if isinstance(pids, Unreadable) else [pid for pid in pids if pid not in self.stats]
            if not unseen:
                self.is_settled = not isinstance(pids, Unreadable)
                break
            for pid in unseen:
                text = self.reader.stat(pid)
                if not isinstance(text, Unreadable):
                    self.stats[pid] = text
        self._children = {}
        for pid, stat in self.stats.items():
            if stat.parent is not None:
                self._children.setdefault(stat.parent, []).append(pid)

    def process(self, pid: int) -> ProcessId | None:
        """Return the identity of a pid; None if it is not there or cannot be read."""
        stat = self.stats.get(pid)
        return None if stat is None or stat.start_time is None else ProcessId(self.host, pid, stat.start_time)

    def children(self, pid: int) -> list[int]:
        """Return the pids of a process's children."""
        return self._children.get(pid, [])

    def descendants(self, pid: int) -> list[int]:
        """Return the pids of all descendants, nearest first."""
        found: dict[int, None] = {}
        ahead = [pid]
        while ahead:
            nearer = [child for child in self.children(ahead.pop(0)) if child not in found]
            found.update(dict.fromkeys(nearer))
            ahead += nearer
        return list(found)

    def ancestors(self, pid: int) -> list[int]:
        """Return the pids of the parent, its parent, and so on."""
        found: list[int] = []
        while (stat := self.stats.get(pid)) is not None and stat.parent and stat.parent not in found:
            found.append(stat.parent)
            pid = stat.parent
        return found

    def fork_parent(self, pid: int) -> int | None:
        """Return the parent that forked a process, if it still runs and neither of them has exec'd since.

        An orphan has the pid of whoever adopted it as its parent. A fork copies the place at which the stack starts
        (`start_stack`, field 28 of `stat`), which is random for each exec.
        """
        stat = self.stats.get(pid)
        if stat is None or not stat.is_forked or not stat.parent or stat.parent <= 1:
            return None
        own = self._stack_start(pid)
        return stat.parent if own != "0" and own == self._stack_start(stat.parent) else None

    def tasks(self, pid: int) -> list[int] | Unreadable:
        """Return the TIDs of a process."""
        if pid not in self._tasks:
            self._tasks[pid] = self.reader.numbers(f"{pid}/task")
        return self._tasks[pid]

    def threads(self, pid: int) -> frozenset[ThreadId] | Unreadable:
        """Return the threads of a process."""
        process, tasks = self.process(pid), self.tasks(pid)
        if process is None:
            return Unreadable(f"{pid}/stat", "gone or not readable")
        if isinstance(tasks, Unreadable):
            return tasks
        return frozenset(ThreadId(process, tid) for tid in tasks)

    def status(self, pid: int) -> Status | Unreadable:
        """Return the parsed `status` of a process."""
        if pid not in self._status:
            text = self.reader.text(f"{pid}/status")
            self._status[pid] = text if isinstance(text, Unreadable) else parse_status(text)
        return self._status[pid]

    def maps(self, pid: int) -> tuple[Mapping, ...] | Unreadable:
        """Return the memory map of a process; unreadable if any line of it is."""
        if pid not in self._maps:
            data = self.reader.guarded(pid, f"task/{self._living(pid)}/maps")
            if isinstance(data, Unreadable):
                self._maps[pid] = data
            else:
                mappings, problems = parse_maps(data.decode(errors="replace"))
                empty = Unreadable(f"{pid}/maps", "empty")
                self._maps[pid] = problems[0] if problems else tuple(mappings) or empty
        return self._maps[pid]

    def links(self, pid: int) -> dict[int, str] | Unreadable:
        """Return what each descriptor of a process is; unreadable if one of them is."""
        if pid not in self._links:
            self._links[pid] = self._read_links(f"{pid}/task/{self._living(pid)}")
        return self._links[pid]

    def _read_links(self, base: str) -> dict[int, str] | Unreadable:
        numbers = self.reader.numbers(f"{base}/fd")
        if isinstance(numbers, Unreadable):
            return numbers
        links: dict[int, str] = {}
        for number in numbers:
            target = self.reader.link(f"{base}/fd/{number}")
            if isinstance(target, Unreadable):
                return target
            links[number] = target
        return links

    def word_size(self, pid: int) -> int | Unreadable:
        """Return 8 for a 64-bit program, 4 for a 32-bit one, by the size of its auxiliary vector's entries.

        AT_PHENT (4) is 56 in ELF64 and 32 in ELF32 (elf(5)); reading `auxv` touches no file system and takes no lock.
        """
        if pid not in self._word_size:
            data = self.reader.read(f"{pid}/task/{self._living(pid)}/auxv")
            self._word_size[pid] = data if isinstance(data, Unreadable) else _word_size(data)
        return self._word_size[pid]

    def sharers(self, pid: int) -> list[int] | Unreadable:
        """Return the other processes that share this one's memory (clone(2) with CLONE_VM), or why that is not known.

        One side of such a pair has not exec'd since, and both show the same start of stack (field 28 of `stat`).
        """
        own = self.stats.get(pid)
        found: list[int] = []
        for other, stat in self.stats.items():
            if other == pid or own is None or (stat.flags or 0) & PF_KTHREAD or stat.state in {"Z", "X"}:
                continue
            if not (own.is_forked is not False or stat.is_forked is not False):
                continue
            if "0" not in {self._stack_start(pid), self._stack_start(other)} and (
                self._stack_start(pid) != self._stack_start(other)
            ):
                continue
            answer = self.same_memory(pid, other)
            if answer:
                found.append(other)
            elif answer is None and self._is_relative(pid, other) and self._has_same_size(pid, other):
                return Unreadable(f"kcmp {pid} {other}", "not permitted, and the two are related by fork")
        return found

    def tracees(self, pid: int) -> list[int]:
        """Return the processes that `pid` traces."""
        if self._tracees is None:
            self._tracees = {}
            for other in self.stats:
                status = self.status(other)
                if not isinstance(status, Unreadable) and status.tracer:
                    self._tracees.setdefault(status.tracer, []).append(other)
        return self._tracees.get(pid, [])

    def _living(self, pid: int) -> int:
        """Return the TID of a thread that has not ended."""
        tasks = self.tasks(pid)
        for tid in [] if isinstance(tasks, Unreadable) else tasks:
            stat = self.reader.stat(pid, tid)
            if not isinstance(stat, Unreadable) and stat.state not in {"Z", "X"}:
                return tid
        return pid

    def _is_relative(self, first: int, second: int) -> bool:
        return (
            second in self.ancestors(first) or first in self.ancestors(second) or self._has_same_parent(first, second)
        )

    def _has_same_parent(self, first: int, second: int) -> bool:
        parent = self.stats[first].parent
        return parent is not None and parent > 1 and parent == self.stats[second].parent

    def _has_same_size(self, first: int, second: int) -> bool:
        """Tell whether two processes have as much virtual memory (field 23 of `stat`, for everybody to read).

        One memory has one size: read before and after the other's, an unequal one cannot be the same memory.
        """
        before, other, after = (self._stat_word(pid, 20) for pid in (first, second, first))
        return before != after or before == other or "0" in {before, other}

    def _stat_word(self, pid: int, index: int) -> str:
        text = self.reader.text(f"{pid}/stat")
        words = [] if isinstance(text, Unreadable) else text.rpartition(")")[2].split()
        return words[index] if len(words) > index else "0"

    def _stack_start(self, pid: int) -> str:
        """Return field 28 of `stat`; "0" is what the kernel shows to those who may not trace the process."""
        if pid not in self._stacks:
            self._stacks[pid] = self._stat_word(pid, 25)
        return self._stacks[pid]


def _word_size(auxv: bytes) -> int | Unreadable:
    for size, header_size in ((8, 56), (4, 32)):
        words = [int.from_bytes(auxv[at : at + size], "little") for at in range(0, len(auxv) - size + 1, size)]
        if (4, header_size) in zip(words[::2], words[1::2], strict=False):
            return size
    return Unreadable("auxv", "no program header size in it")
