"""Who has a pipe, a socket, a file or a piece of shared memory: every process of the node, in one collect.

A holder that is not seen would make a false proof, so everything that could hide one is looked for, and makes the
object unknown: processes that come and go during the look, processes whose descriptors may not be read, descriptors on
their way through a unix socket (SCM_RIGHTS), threads with a descriptor table of their own, other PID namespaces,
`hidepid`. An ordinary user can never read root's daemons; for objects of the job's own, assumption A1 stands in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    _inside: dict[int, str] = field(default_factory=dict)
    """Processes that may have, inside a system call, what no descriptor shows. A busy reader may look so by chance."""
    _unlooked: set[int] = field(default_factory=set)
    """Processes that came while all others were looked at."""
    _flights: list[tuple[str, bool]] = field(default_factory=list)
    """Sockets to which descriptors are on their way, and whether both their ends are outside the job."""
    _counts_flights: bool = True
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
        pids = {holding.pid for holding in found}
        is_own = self._is_own(link, pids)
        if (problem := self._disturbance(is_own, pids)) is not None:
            return Unreadable(link, problem)
        if self.world.refused:
            return Unreadable(link, f"pid {min(self.world.refused)} may have it: not even its age may be read")
        assumed = self._assumed(link, is_own, pids)
        return assumed if isinstance(assumed, Unreadable) else Found(found, assumed)

    def _is_own(self, link: str, pids: set[int]) -> bool:
        """Tell whether an object is the job's own: all its holders belong to it, and it was not started with it."""
        scope = self.world.scope
        return (
            scope is not None and bool(pids) and link not in scope.inherited and all(map(self.world.is_in_scope, pids))
        )

    def _disturbance(self, is_own: bool, pids: set[int]) -> str | None:
        """Say why somebody may have an object who was not looked at.

        What goes on outside the job does not touch the job's own objects: who is forked there inherits none of them,
        and what is sent between sockets outside is none of them. (A descendant of the job stays one, for the guardian
        adopts it.)
        """
        if not self._counts_flights:
            return "this kernel does not count descriptors in flight"
        if any(not is_own or self.world.may_belong(pid) for pid in self._unlooked):
            return UNSETTLED
        for pid, why in self._inside.items():
            if not is_own or self.world.is_in_scope(pid):
                return f"pid {pid} may have it: {why}"
        return next((why for why, is_outside in self._flights if not (is_own and is_outside)), None)

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

        self._settle(ask)
        return [pid for pid, is_mapped in answers.items() if is_mapped]

    def _settle(self, look: Callable[[int], None]) -> None:
        """Look at every process, and list them again until there is none that was not looked at."""
        done: set[int] = set()
        for _ in range(ROUNDS):
            for pid in self._processes():
                if pid not in done:
                    look(pid)
                    done.add(pid)
            self.world.scan()
            if self.world.is_settled and done.issuperset(self._processes()):
                return
        self._unlooked |= {*self._processes(), *self.world.newcomers} - done

    def describe(self, holding: Holding) -> Descriptor | Unreadable:
        """Return the `fdinfo` of a descriptor."""
        text = self.world.reader.text(f"{holding.path}/fdinfo/{holding.number}")
        return text if isinstance(text, Unreadable) else parse_descriptor(text)

    def _build(self) -> None:
        if self._is_built:
            return
        self._is_built = True
        self._settle(self._read)
        self._counts_flights = _counts_files_in_flight()
        self._flights = list(self._in_flight()) if self._counts_flights else []
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
                self._inside[pid] = f"thread {tid} is in a system call with a descriptor that has been closed"

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

    def _in_flight(self) -> Iterator[tuple[str, bool]]:
        """Yield the sockets to which descriptors are on their way, and whether both ends are outside the job."""
        for link, holdings in self._by_link.items():
            if link.startswith("socket:"):
                answers = (self.describe(holding) for holding in holdings)
                found = next((each for each in answers if not isinstance(each, Unreadable)), None)
                if found is not None and found.files_in_flight:
                    yield f"descriptors are in flight to {link} of pid {holdings[0].pid}", self._is_outside(link)

    def _is_outside(self, link: str) -> bool:
        """Tell whether a socket and its peer are held outside the job only; not so if the peer is not known."""
        peers = self.peers()
        peer = None if isinstance(peers, Unreadable) else peers.get(int(link[len("socket:[") : -1]))
        ends = [self._by_link.get(link, []), self._by_link.get(f"socket:[{peer}]", [])]
        return all(ends) and not any(self.world.is_in_scope(holding.pid) for end in ends for holding in end)

    def _assumed(self, link: str, is_own: bool, pids: set[int]) -> tuple[Assumption, ...] | Unreadable:
        """Return what must be assumed if `pids` are to be all that have an object; or why nothing may be."""
        scope = self.world.scope
        blind = {pid: why for pid, why in self._blind.items() if pid not in pids}
        if not blind and self._hidden is None:
            return ()
        reason = self._hidden or next(f"pid {pid} may have it: {why}" for pid, why in blind.items())
        if scope is None or not is_own:
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
