"""What is known of the processes of a node in one collect: signals, memory, descriptors, tracers.

Each fact is read once a collect, and only of the processes that somebody asks for. It is read through a living thread:
where the main thread has left by pthread_exit(3), the files of the process itself are empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hangprobe.model import ProcessId, ThreadId, Unreadable
from hangprobe.observe.clocks import Clocks
from hangprobe.observe.kcmp import is_same_file, is_same_files
from hangprobe.observe.procfs import Mapping, Status, mapped_names, parse_maps, parse_status
from hangprobe.observe.sharers import Compare, Sharers
from hangprobe.observe.unixsockets import peers
from hangprobe.observe.waits.shapes import machine


@dataclass(slots=True)
class Lasting:
    """What need not be read again in the next collect, each with what would have changed if it had."""

    names: dict[tuple[ProcessId, int | None, int | None], frozenset[str]] = field(default_factory=dict)
    """Mapped file names, by process, size of its memory and start of its stack."""
    word_sizes: dict[tuple[ProcessId, int | None], int] = field(default_factory=dict)
    """By process and start of stack, which an exec changes."""
    helpers: dict[tuple[ThreadId, str, int], bool] = field(default_factory=dict)
    """Whether a thread is a runtime's, by its call and run count."""
    clocks: Clocks = field(default_factory=Clocks)


@dataclass(slots=True)
class World(Sharers):
    """Every process of one node in one collect, and what is known of it."""

    arch: str = field(default_factory=machine)
    same_files: Compare = is_same_files
    same_file: Callable[[int, int, int, int], bool | None] = is_same_file
    socket_peers: Callable[[], dict[int, int] | Unreadable] = peers
    lasting: Lasting = field(default_factory=Lasting)
    _status: dict[int, Status | Unreadable] = field(default_factory=dict)
    _maps: dict[int, tuple[Mapping, ...] | Unreadable] = field(default_factory=dict)
    _links: dict[int, dict[int, str] | Unreadable] = field(default_factory=dict)
    _texts: dict[int, str | Unreadable] = field(default_factory=dict)
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

    def tracees(self, pid: int) -> list[int]:
        """Return the processes that `pid` traces."""
        if self._tracees is None:
            self._tracees = {}
            for other in self.stats:
                status = self.status(other)
                if not isinstance(status, Unreadable) and status.tracer:
                    self._tracees.setdefault(status.tracer, []).append(other)
        return self._tracees.get(pid, [])


def _word_size(auxv: bytes) -> int | Unreadable:
    for size, header_size in ((8, 56), (4, 32)):
        words = [int.from_bytes(auxv[at : at + size], "little") for at in range(0, len(auxv) - size + 1, size)]
        if (4, header_size) in zip(words[::2], words[1::2], strict=False):
            return size
    return Unreadable("auxv", "no program header size in it")
