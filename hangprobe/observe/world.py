"""What is known of the processes of a node in one collect: signals, memory, descriptors, tracers.

Each fact is read once a collect, and only of the processes that somebody asks for. It is read through a living thread:
where the main thread has left by pthread_exit(3), the files of the process itself are empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cmp_to_key
from itertools import groupby

from hangprobe.model import ProcessId, ThreadId, Unreadable
from hangprobe.observe.census import Census
from hangprobe.observe.kcmp import is_same_file, is_same_files, is_same_memory, memory_order
from hangprobe.observe.procfs import (
    PF_KTHREAD,
    Mapping,
    Stat,
    Status,
    mapped_names,
    parse_maps,
    parse_status,
)
from hangprobe.observe.unixsockets import peers
from hangprobe.observe.waits.shapes import machine

PAIRWISE_MAX = 16
"""Processes with the same start of stack that are compared one by one; more are sorted."""

Compare = Callable[[int, int], "bool | None"]


@dataclass(slots=True)
class Lasting:
    """What need not be read again in the next collect, each with what would have changed if it had."""

    names: dict[tuple[ProcessId, int | None, int | None], frozenset[str]] = field(default_factory=dict)
    """Mapped file names, by process, size of its memory and start of its stack."""
    word_sizes: dict[tuple[ProcessId, int | None], int] = field(default_factory=dict)
    """By process and start of stack, which an exec changes."""
    helpers: dict[tuple[ThreadId, str, int], bool] = field(default_factory=dict)
    """Whether a thread is a runtime's, by its call and run count."""


@dataclass(slots=True)
class World(Census):
    """Every process of one node in one collect, and what is known of it."""

    arch: str = field(default_factory=machine)
    same_memory: Compare = is_same_memory
    same_files: Compare = is_same_files
    same_file: Callable[[int, int, int, int], bool | None] = is_same_file
    socket_peers: Callable[[], dict[int, int] | Unreadable] = peers
    lasting: Lasting = field(default_factory=Lasting)
    _status: dict[int, Status | Unreadable] = field(default_factory=dict)
    _maps: dict[int, tuple[Mapping, ...] | Unreadable] = field(default_factory=dict)
    _links: dict[int, dict[int, str] | Unreadable] = field(default_factory=dict)
    _texts: dict[int, str | Unreadable] = field(default_factory=dict)
    _by_stack: dict[int | None, list[int]] = field(default_factory=dict)
    _sorted_count: int = 0
    _sharers: dict[int, list[int] | Unreadable] = field(default_factory=dict)
    _memories: dict[int, tuple[dict[int, list[int]], list[int]]] = field(default_factory=dict)
    """By start of stack: for each process those that share its memory, and the processes that could not be asked."""
    _tracees: dict[int, list[int]] | None = None

    def status(self, pid: int) -> Status | Unreadable:
        """Return the parsed `status` of a process."""
        if pid not in self._status:
            text = self.reader.text(f"{pid}/status")
            self._status[pid] = text if isinstance(text, Unreadable) else parse_status(text)
        return self._status[pid]

    def own_links(self) -> list[str]:
        """Return what hangprobe's own descriptors lead to: the job may have got it from here, and so may others."""
        numbers = self.reader.numbers("self/fd")
        links = [] if isinstance(numbers, Unreadable) else [self.reader.link(f"self/fd/{n}") for n in numbers]
        return [link for link in links if not isinstance(link, Unreadable)]

    def task_pids(self, pid: int, tid: int) -> tuple[int, ...] | Unreadable:
        """Return the numbers of a thread in each PID namespace from that of this `/proc` down to its own."""
        own = self.status(pid)
        if isinstance(own, Unreadable) or own.pids is None:
            return own if isinstance(own, Unreadable) else Unreadable(f"{pid}/status", "shows no NSpid")
        if len(own.pids) == 1:
            return (tid,)
        text = self.reader.text(f"{pid}/task/{tid}/status")
        pids = text if isinstance(text, Unreadable) else parse_status(text).pids
        return Unreadable(f"{pid}/task/{tid}/status", "shows no NSpid") if pids is None else pids

    def maps(self, pid: int) -> tuple[Mapping, ...] | Unreadable:
        """Return the memory map of a process; unreadable if any line of it is."""
        if pid not in self._maps:
            text = self.maps_text(pid)
            if isinstance(text, Unreadable):
                self._maps[pid] = text
            else:
                mappings, problems = parse_maps(text)
                empty = Unreadable(f"{pid}/maps", "empty")
                self._maps[pid] = problems[0] if problems else tuple(mappings) or empty
        return self._maps[pid]

    def maps_problem(self, pid: int) -> Unreadable | None:
        """Return why the names of the files that a process maps cannot be told; None if they can."""
        key = self._names_key(pid)
        if key is None:
            return Unreadable(f"{pid}/stat", "gone or not readable")
        text = None if key in self.lasting.names else self.maps_text(pid)
        return text if isinstance(text, Unreadable) else None

    def names(self, pid: int) -> frozenset[str]:
        """Return the names of the files that a process maps; the last collect's if its memory has the same size."""
        key = self._names_key(pid)
        if key is None:
            return frozenset()
        if key not in self.lasting.names:
            text = self.maps_text(pid)
            if isinstance(text, Unreadable):
                return frozenset()
            self.lasting.names[key] = mapped_names(text)
        return self.lasting.names[key]

    def foresee_maps(self, pids: Iterable[int]) -> None:
        """Read the maps of processes that will be asked for their names, all at once: one hand-over instead of many."""
        wanted = {pid: f"task/{self.living(pid)}/maps" for pid in pids if self._needs_maps(pid)}
        for pid, data in self.reader.guarded_many(wanted).items():
            self._texts[pid] = data if isinstance(data, Unreadable) else data.decode(errors="replace")

    def _needs_maps(self, pid: int) -> bool:
        return pid not in self._texts and (key := self._names_key(pid)) is not None and key not in self.lasting.names

    def _names_key(self, pid: int) -> tuple[ProcessId, int | None, int | None] | None:
        process, stat = self.process(pid), self.stats.get(pid)
        return None if process is None or stat is None else (process, stat.size, stat.stack_start)

    def maps_text(self, pid: int) -> str | Unreadable:
        """Return the text of `maps`, as it was read once in this collect."""
        if pid not in self._texts:
            data = self.reader.guarded(pid, f"task/{self.living(pid)}/maps")
            self._texts[pid] = data if isinstance(data, Unreadable) else data.decode(errors="replace")
        return self._texts[pid]

    def links(self, pid: int) -> dict[int, str] | Unreadable:
        """Return what each descriptor of a process is; unreadable if one of them is."""
        if pid not in self._links:
            self._links[pid] = self._read_links(f"{pid}/task/{self.living(pid)}")
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
        process, stat = self.process(pid), self.stats.get(pid)
        if process is None or stat is None:
            return Unreadable(f"{pid}/stat", "gone or not readable")
        key = (process, stat.stack_start)
        if key not in self.lasting.word_sizes:
            data = self.reader.read(f"{pid}/task/{self.living(pid)}/auxv")
            size = data if isinstance(data, Unreadable) else _word_size(data)
            if isinstance(size, Unreadable):
                return size
            self.lasting.word_sizes[key] = size
        return self.lasting.word_sizes[key]

    def sharers(self, pid: int) -> list[int] | Unreadable:
        """Return the other processes that share this one's memory (clone(2) with CLONE_VM), or why that is not known.

        One side of such a pair has not exec'd since, and both show the same start of stack (field 28 of `stat`).
        """
        if pid not in self._sharers:
            own = self.stats.get(pid)
            alike = self._same_stack(own)
            if own is not None and own.stack_start and len(alike) > PAIRWISE_MAX:
                self._sharers[pid] = self._sharers_of_many(pid, own.stack_start, alike)
            else:
                among = [other for other in alike if other != pid and self._may_share(own, other)]
                self._sharers[pid] = self._sharers_among(pid, among)
        return self._sharers[pid]

    def _asked(self, pid: int) -> int:
        """Return the thread to ask about a process: of a main thread that has ended, kcmp knows no memory."""
        stat = self.stats.get(pid)
        return self.living(pid) if stat is not None and stat.state in {"Z", "X"} else pid

    def _may_share(self, own: Stat | None, other: int) -> bool:
        """Tell whether two processes may have one memory: one of them has not exec'd, and none has ended."""
        stat = self.stats[other]
        if own is None or (stat.flags or 0) & PF_KTHREAD or stat.has_ended:
            return False
        return own.is_forked is not False or stat.is_forked is not False

    def _sharers_among(self, pid: int, candidates: Iterable[int]) -> list[int] | Unreadable:
        found: list[int] = []
        for other in candidates:
            answer = self.same_memory(self._asked(pid), self._asked(other))
            if answer:
                found.append(other)
            elif answer is None and self._is_relative(pid, other) and self._has_same_size(pid, other):
                return Unreadable(f"kcmp {pid} {other}", "not permitted, and the two are related by fork")
        return found

    def _sharers_of_many(self, pid: int, stack_start: int, alike: list[int]) -> list[int] | Unreadable:
        """Sort the processes with the same start of stack by their memory, once for all of them."""
        if stack_start not in self._memories:
            every = [each for each in alike if self._may_share(self.stats[each], each)]
            groups = _by_memory({each: self._asked(each) for each in every})
            self._memories[stack_start] = groups, [each for each in every if each not in groups]
        groups, rest = self._memories[stack_start]
        others = self._sharers_among(pid, [each for each in rest if each != pid])
        if isinstance(others, Unreadable) or pid not in groups:
            among = [each for each in alike if each != pid and self._may_share(self.stats[pid], each)]
            return others if isinstance(others, Unreadable) else self._sharers_among(pid, among)
        return [each for each in groups[pid] if each != pid] + others

    def _same_stack(self, own: Stat | None) -> list[int]:
        """Return the processes whose stack starts where `own`'s does, or may do so: 0 and None are not known."""
        if self._sorted_count != len(self.stats):
            self._by_stack, self._sorted_count = {}, len(self.stats)
            for pid, stat in self.stats.items():
                self._by_stack.setdefault(stat.stack_start or None, []).append(pid)
        if own is None or not own.stack_start:
            return list(self.stats)
        return [*self._by_stack.get(own.stack_start, []), *self._by_stack.get(None, [])]

    def tracees(self, pid: int) -> list[int]:
        """Return the processes that `pid` traces."""
        if self._tracees is None:
            self._tracees = {}
            for other in self.stats:
                status = self.status(other)
                if not isinstance(status, Unreadable) and status.tracer:
                    self._tracees.setdefault(status.tracer, []).append(other)
        return self._tracees.get(pid, [])

    def living(self, pid: int) -> int:
        """Return the TID of a thread that has not ended."""
        stat, tasks = self.stats.get(pid), self.tasks(pid)
        if stat is not None and stat.thread_count == 1 and stat.state not in {"Z", "X"}:
            return pid
        for tid in [] if isinstance(tasks, Unreadable) else tasks:
            task = self.reader.stat(pid, tid)
            if not isinstance(task, Unreadable) and task.state not in {"Z", "X"}:
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
        before, other, after = (self._size(pid) for pid in (first, second, first))
        return before != after or before == other or not before or not other

    def _size(self, pid: int) -> int | None:
        stat = self.reader.stat(pid)
        return None if isinstance(stat, Unreadable) else stat.size


def _by_memory(tasks: dict[int, int]) -> dict[int, list[int]]:
    """Return for each process all that share its memory; nothing if one of them went while they were sorted.

    `tasks` has for each process a thread of it to ask about.
    """
    is_told = True

    def compare(first: int, second: int) -> int:
        nonlocal is_told
        order = memory_order(tasks[first], tasks[second])
        is_told = is_told and order is not None
        return order or 0

    told = sorted((pid for pid, tid in tasks.items() if memory_order(tid, tid) == 0), key=cmp_to_key(compare))
    groups = [list(group) for _, group in groupby(told, key=cmp_to_key(compare))]
    return {pid: group for group in groups for pid in group} if is_told else {}


def _word_size(auxv: bytes) -> int | Unreadable:
    for size, header_size in ((8, 56), (4, 32)):
        words = [int.from_bytes(auxv[at : at + size], "little") for at in range(0, len(auxv) - size + 1, size)]
        if (4, header_size) in zip(words[::2], words[1::2], strict=False):
            return size
    return Unreadable("auxv", "no program header size in it")
