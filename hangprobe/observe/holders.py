"""Who has a pipe, a socket, a file or a piece of shared memory: every process of the node, in one collect.

A holder that is not seen would make a false proof, so everything that could hide one is looked for, and makes the
object unknown: processes that come and go during the look, processes whose descriptors may not be read, descriptors on
their way through a unix socket (SCM_RIGHTS), threads with a descriptor table of their own, other PID namespaces,
`hidepid`. An ordinary user can never read root's daemons; for objects of the job's own, assumption A1 stands in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from hangprobe.model import Assumption, Unreadable
from hangprobe.observe.fdinfo import Descriptor, parse_descriptor, parse_mounts
from hangprobe.observe.procfs import PF_KTHREAD, parse_call
from hangprobe.observe.world import World

INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""PROC_PID_INIT_INO, include/uapi/linux/nsfs.h."""
ROUNDS = 3
"""Looks at /proc before processes that come and go make every holder unknown."""
UNSETTLED = "processes come and go: who has it did not settle"
REFUSED = "not permitted"
"""What `observe.reader` says of files that this user may not read."""


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


@dataclass(frozen=True, slots=True)
class Found:
    """Who has an object, as far as can be seen, and what must be assumed for that to be all."""

    holdings: tuple[Holding, ...]
    assumes: tuple[Assumption, ...]

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that have it."""
        return tuple(dict.fromkeys(holding.pid for holding in self.holdings))


@dataclass(slots=True)
class Holders:
    """The descriptors of all processes, read when somebody asks for the first time."""

    world: World
    ends: dict[tuple[str, bool], Found | Unreadable] = field(default_factory=dict)
    """The holders of one end of a pipe, its write end where the second word is True."""
    _by_link: dict[str, list[Holding]] = field(default_factory=dict)
    _blind: dict[int, str] = field(default_factory=dict)
    """Processes that may have anything, and why."""
    _problem: str | None = None
    _is_built: bool = False
    _peers: dict[int, int] | Unreadable | None = None
    _hidden: str | None = None

    def of(self, link: str) -> Found | Unreadable:
        """Return who has the object to which `link` leads (`pipe:[7]`), or why that cannot be known."""
        self._build()
        return self.judge(link, self._by_link.get(link, []))

    def judge(self, link: str, holdings: Iterable[Holding]) -> Found | Unreadable:
        """Return these holdings as all there are, with what must be assumed for that; or why they may not be all."""
        self._build()
        found = tuple(holdings)
        if self._problem is not None:
            return Unreadable(link, self._problem)
        if self.world.refused:
            return Unreadable(link, f"pid {min(self.world.refused)} may have it: not even its age may be read")
        assumed = self._assumed(link, {holding.pid for holding in found})
        return assumed if isinstance(assumed, Unreadable) else Found(found, assumed)

    def links(self) -> dict[str, list[Holding]]:
        """Return every descriptor of every process that may be read, by what it leads to."""
        self._build()
        return self._by_link

    def peers(self) -> dict[int, int] | Unreadable:
        """Return the inode of the peer of each connected unix socket."""
        if self._peers is None:
            self._peers = self.world.socket_peers()
        return self._peers

    def mappers(self, is_meant: Callable[[int], bool | Unreadable]) -> list[int]:
        """Return the processes for which `is_meant` holds; one that cannot be asked is taken for blind."""
        self._build()
        answers: dict[int, bool] = {}

        def ask(pid: int) -> None:
            answer = is_meant(pid)
            answers[pid] = answer is True
            if isinstance(answer, Unreadable) and answer.why != "gone":
                self._blind.setdefault(pid, answer.why)

        if not self._settle(ask):
            self._problem = UNSETTLED
        return [pid for pid, is_mapped in answers.items() if is_mapped]

    def _settle(self, look: Callable[[int], None]) -> bool:
        """Look at every process, and list them again until there is none that was not looked at."""
        done: set[int] = set()
        for _ in range(ROUNDS):
            for pid in self._processes():
                if pid not in done:
                    look(pid)
                    done.add(pid)
            self.world.scan()
            if self.world.is_settled and done.issuperset(self._processes()):
                return True
        return False

    def describe(self, holding: Holding) -> Descriptor | Unreadable:
        """Return the `fdinfo` of a descriptor."""
        text = self.world.reader.text(f"{holding.path}/fdinfo/{holding.number}")
        return text if isinstance(text, Unreadable) else parse_descriptor(text)

    def _build(self) -> None:
        if self._is_built:
            return
        self._is_built = True
        if not self._settle(self._read):
            self._problem = UNSETTLED
        elif (flight := self._in_flight()) is not None:
            self._problem = flight
        self._hidden = self._what_hides()

    def _processes(self) -> list[int]:
        return [pid for pid, stat in self.world.stats.items() if not (stat.flags or 0) & PF_KTHREAD]

    def _read(self, pid: int) -> None:
        """Read the descriptors of a process, and of its threads that have a table of their own."""
        stat = self.world.stats[pid]
        if stat.has_ended:
            return
        first = self.world.living(pid)
        self._read_table(pid, f"{pid}/task/{first}")
        if stat.thread_count == 1 or pid in self._blind:
            return
        tasks = self.world.tasks(pid)
        if isinstance(tasks, Unreadable):
            self._blind[pid] = tasks.why
            return
        for tid in tasks:
            self._see_inside(pid, tid)
            if tid == first:
                continue
            shared = self.world.same_files(first, tid)
            if shared is None:
                task = self.world.reader.stat(pid, tid)
                if not isinstance(task, Unreadable) and task.state not in {"Z", "X"}:
                    self._blind[pid] = f"whether thread {tid} has descriptors of its own cannot be told"
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
                self._blind[pid] = f"thread {tid} is in a system call with a descriptor that has been closed"

    def _read_table(self, pid: int, path: str) -> None:
        reader = self.world.reader
        numbers = reader.numbers(f"{path}/fd")
        if isinstance(numbers, Unreadable):
            if numbers.why != "gone":
                self._blind[pid] = numbers.why
            return
        for number in numbers:
            link = reader.link(f"{path}/fd/{number}")
            if not isinstance(link, Unreadable):
                self._by_link.setdefault(link, []).append(Holding(pid, path, number))
            elif link.why != "gone":
                self._blind[pid] = link.why

    def _in_flight(self) -> str | None:
        """Say whether descriptors may be on their way through a unix socket."""
        if not _counts_files_in_flight():
            return "this kernel does not count descriptors in flight"
        for link, holdings in self._by_link.items():
            if link.startswith("socket:"):
                answers = (self.describe(holding) for holding in holdings)
                found = next((each for each in answers if not isinstance(each, Unreadable)), None)
                if found is not None and found.files_in_flight:
                    return f"descriptors are in flight to {link} of pid {holdings[0].pid}"
        return None

    def _assumed(self, link: str, pids: set[int]) -> tuple[Assumption, ...] | Unreadable:
        """Return what must be assumed if `pids` are to be all that have an object; or why nothing may be."""
        scope = self.world.scope
        blind = {pid: why for pid, why in self._blind.items() if pid not in pids}
        if not blind and self._hidden is None:
            return ()
        reason = self._hidden or next(f"pid {pid} may have it: {why}" for pid, why in blind.items())
        is_own = scope is not None and link not in scope.inherited and all(map(self.world.is_in_scope, pids))
        if scope is None or not is_own or not pids:
            return Unreadable(link, reason)
        for pid, why in blind.items():
            process = self.world.process(pid)
            is_younger = process is None or process.start_time >= scope.root.start_time
            if is_younger or why != REFUSED or self.world.is_in_scope(pid):
                return Unreadable(link, f"pid {pid} may have it: {why}")
        if self._hidden is not None and (unseen := self._unseen_child()) is not None:
            return Unreadable(link, f"pid {unseen}, a process of the job, may have it: it is hidden")
        return (Assumption.A1,)

    def _unseen_child(self) -> int | None:
        """Return a child of one of the job's processes that is not to be seen, such as a setuid program's."""
        mine = (pid for pid in self._processes() if self.world.is_in_scope(pid))
        return next((child for pid in mine if (child := self.world.unseen_child(pid)) is not None), None)

    def _what_hides(self) -> str | None:
        """Say why there may be processes that are not to be seen at all."""
        reader = self.world.reader
        namespace, mounts = reader.link("self/ns/pid"), reader.text("self/mountinfo")
        if namespace != INITIAL_PID_NAMESPACE:
            return "hangprobe runs in a PID namespace: processes outside it are not to be seen"
        if isinstance(mounts, Unreadable):
            return "whether processes are hidden cannot be read"
        procs = [mount for mount in parse_mounts(mounts).values() if mount.point == "/proc" and mount.kind == "proc"]
        hides = any("hidepid=" in mount.options and "hidepid=0" not in mount.options for mount in procs)
        return "/proc is mounted with hidepid" if hides and os.geteuid() != 0 else None


def _counts_files_in_flight() -> bool:
    """Tell whether this kernel shows `scm_fds` for unix sockets (Linux 5.6 and newer)."""
    global _has_count
    if _has_count is None:
        import socket

        with socket.socket(socket.AF_UNIX) as probe, open(f"/proc/self/fdinfo/{probe.fileno()}") as file:
            _has_count = parse_descriptor(file.read()).files_in_flight is not None
    return _has_count


_has_count: bool | None = None
