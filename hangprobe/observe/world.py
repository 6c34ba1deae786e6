"""The processes of a node as one collect sees them: who is whose child, and what is known of the suspects.

The list of processes is read again until no unseen one remains; facts that cost more are read once a collect, and only
of the processes that somebody asks for. Facts are read through a living thread: where the main thread has left by
pthread_exit(3), the files of the process itself are empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cmp_to_key
from itertools import groupby

from hangprobe.model import ProcessId, ThreadId, Unreadable
from hangprobe.observe.kcmp import is_same_file, is_same_files, is_same_memory, memory_order
from hangprobe.observe.procfs import (
    PF_KTHREAD,
    Mapping,
    Stat,
    Status,
    mapped_names,
    parse_maps,
    parse_numbers,
    parse_status,
)
from hangprobe.observe.reader import Reader
from hangprobe.observe.unixsockets import peers
from hangprobe.observe.waits.shapes import machine

ROUNDS = 3
"""Lists of /proc in one collect before a node on which processes come and go is called unsettled."""

PAIRWISE_MAX = 16
"""Processes with the same start of stack that are compared one by one; more are sorted."""

Compare = Callable[[int, int], "bool | None"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What belongs to the job: everything below `root`, but no object that it was started with."""

    root: ProcessId
    inherited: frozenset[str] = frozenset()
    """Pipes, sockets and files that the job's starter had open: others may hold them too."""
    alarms: int | None = None
    """How many alarm(2) timers were set on the node when the job began."""


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
class World:
    """Every process of one node in one collect."""

    reader: Reader
    host: str
    arch: str = field(default_factory=machine)
    same_memory: Compare = is_same_memory
    same_files: Compare = is_same_files
    same_file: Callable[[int, int, int, int], bool | None] = is_same_file
    socket_peers: Callable[[], dict[int, int] | Unreadable] = peers
    scope: Scope | None = None
    lasting: Lasting = field(default_factory=Lasting)
    stats: dict[int, Stat] = field(default_factory=dict)
    is_settled: bool = False
    """Whether the last list of processes had none that may belong to the job and was not in one before."""
    newcomers: set[int] = field(default_factory=set)
    """The processes that only the last list had."""
    refused: set[int] = field(default_factory=set)
    """Pids in the list of processes of which not even `stat` may be read (hidepid)."""
    _children: dict[int, list[int]] = field(default_factory=dict)
    _tasks: dict[int, list[int] | Unreadable] = field(default_factory=dict)
    _status: dict[int, Status | Unreadable] = field(default_factory=dict)
    _maps: dict[int, tuple[Mapping, ...] | Unreadable] = field(default_factory=dict)
    _links: dict[int, dict[int, str] | Unreadable] = field(default_factory=dict)
    _texts: dict[int, str | Unreadable] = field(default_factory=dict)
    _by_stack: dict[int | None, list[int]] | None = None
    _sharers: dict[int, list[int] | Unreadable] = field(default_factory=dict)
    _memories: dict[int, tuple[dict[int, list[int]], list[int]]] = field(default_factory=dict)
    """By start of stack: for each process those that share its memory, and the processes that could not be asked."""
    _tracees: dict[int, list[int]] | None = None

    def scan(self) -> None:
        """Read the list of processes until a round brings no unseen one; what is known already is not read again."""
        self.is_settled, self.newcomers = False, set()
        for _ in range(ROUNDS):
            pids = self.reader.numbers(".")
            known = self.stats.keys() | self.refused
            unseen = [] if isinstance(pids, Unreadable) else [pid for pid in pids if pid not in known]
            if not unseen:
                self.is_settled = not isinstance(pids, Unreadable)
                break
            self.newcomers = set(unseen)
            for pid in unseen:
                stat = self.reader.stat(pid)
                if not isinstance(stat, Unreadable):
                    self.stats[pid] = stat
                elif stat.why == "not permitted":
                    self.refused.add(pid)
        self._children = {}
        self._by_stack = None
        for pid, stat in self.stats.items():
            if stat.parent is not None:
                self._children.setdefault(stat.parent, []).append(pid)
        if not self.is_settled and self.scope is not None and self.newcomers:
            self.is_settled = not any(map(self.may_belong, self.newcomers))

    def may_belong(self, pid: int) -> bool:
        """Tell whether a process is one of the job's, as far as can be seen: one that has gone may have been."""
        return pid not in self.stats or self.is_in_scope(pid)

    def process(self, pid: int) -> ProcessId | None:
        """Return the identity of a pid; None if it is not there or cannot be read."""
        stat = self.stats.get(pid)
        return None if stat is None or stat.start_time is None else ProcessId(self.host, pid, stat.start_time)

    def children(self, pid: int) -> list[int]:
        """Return the pids of a process's children."""
        return self._children.get(pid, [])

    def unseen_child(self, pid: int) -> int | None:
        """Return a child that its parent lists and this `/proc` does not show: hidepid hides setuid programs."""
        tasks = self.tasks(pid)
        for tid in [] if isinstance(tasks, Unreadable) else tasks:
            text = self.reader.text(f"{pid}/task/{tid}/children")
            children = [] if isinstance(text, Unreadable) else parse_numbers(text, "children")[0]
            if unseen := set(children) - self.stats.keys():
                return min(unseen)
        return None

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
        parent = self.stats.get(stat.parent)
        same = parent is not None and stat.stack_start and stat.stack_start == parent.stack_start
        return stat.parent if same else None

    def fork_ancestors(self, pid: int) -> list[int]:
        """Return the processes from which `pid` descends by fork alone, nearest first, as far as they still run."""
        found: list[int] = []
        ancestor = self.fork_parent(pid)
        while ancestor is not None and ancestor not in found:
            found.append(ancestor)
            ancestor = self.fork_parent(ancestor)
        return found

    def is_in_scope(self, pid: int) -> bool:
        """Tell whether a process belongs to the job."""
        root = self.scope.root if self.scope is not None else None
        if root is None or self.process(root.pid) != root:
            return False
        return pid == root.pid or root.pid in self.ancestors(pid)

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
        if self._by_stack is None:
            self._by_stack = {}
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
