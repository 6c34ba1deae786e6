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

from hangprobe.model import Assumption, Barrier, Hidden, Unreadable
from hangprobe.observe.fdinfo import Descriptor, parse_descriptor, parse_mounts
from hangprobe.observe.tables import Holding, Tables
from hangprobe.observe.world import World

INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""PROC_PID_INIT_INO, include/uapi/linux/nsfs.h."""
UNSETTLED = "processes come and go: who has it did not settle"
REFUSED = "not permitted"
"""What `observe.reader` says of files that this user may not read."""


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
    tables: Tables = field(init=False)
    ends: dict[tuple[str, bool], Found | Unreadable] = field(default_factory=dict)
    """The holders of one end of a pipe, its write end where the second word is True."""
    _flights: list[tuple[str, bool]] = field(default_factory=list)
    """Sockets to which descriptors are on their way, and whether both their ends are outside the job."""
    _counts_flights: bool = True
    _is_built: bool = False
    _peers: dict[int, int] | Unreadable | None = None
    _hidden: Hidden | None = None
    """Why there may be processes that are not to be seen at all."""

    def __post_init__(self) -> None:
        """Read nothing yet."""
        self.tables = Tables(self.world)

    def of(self, link: str) -> Found | Unreadable:
        """Return who has the object to which `link` leads (`pipe:[7]`), or why that cannot be known."""
        self._build()
        return self.judge(link, self.tables.by_link.get(link, []))

    def judge(self, link: str, holdings: Iterable[Holding]) -> Found | Unreadable:
        """Return these holdings as all there are, with what must be assumed for that; or why they may not be all."""
        self._build()
        found = tuple(holdings)
        pids = {holding.pid for holding in found}
        is_own = self._is_own(link, pids)
        if (problem := self._disturbance(is_own, pids)) is not None:
            return Hidden(link, problem, Barrier.UNSETTLED, tuple(sorted(pids)))
        if self.world.refused:
            refused = f"pid {min(self.world.refused)} may have it: not even its age may be read"
            return Hidden(link, refused, Barrier.HIDEPID, tuple(sorted(pids)))
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
        if any(not is_own or self.world.may_belong(pid) for pid in self.tables.unlooked):
            return UNSETTLED
        for pid, why in self.tables.inside.items():
            if not is_own or self.world.is_in_scope(pid):
                return f"pid {pid} may have it: {why}"
        return next((why for why, is_outside in self._flights if not (is_own and is_outside)), None)

    def links(self) -> dict[str, list[Holding]]:
        """Return every descriptor of every process that may be read, by what it leads to."""
        self._build()
        return self.tables.by_link

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
                self.tables.blind.setdefault(pid, answer.why)

        self.tables.settle(ask)
        return [pid for pid, is_mapped in answers.items() if is_mapped]

    def describe(self, holding: Holding) -> Descriptor | Unreadable:
        """Return the `fdinfo` of a descriptor."""
        text = self.world.reader.text(f"{holding.path}/fdinfo/{holding.number}")
        return text if isinstance(text, Unreadable) else parse_descriptor(text)

    def _build(self) -> None:
        if self._is_built:
            return
        self._is_built = True
        self.tables.settle(self.tables.read)
        self._counts_flights = _counts_files_in_flight()
        self._flights = list(self._in_flight()) if self._counts_flights else []
        self._hidden = self._what_hides()

    def _in_flight(self) -> Iterator[tuple[str, bool]]:
        """Yield the sockets to which descriptors are on their way, and whether both ends are outside the job."""
        for link, holdings in self.tables.by_link.items():
            if link.startswith("socket:"):
                answers = (self.describe(holding) for holding in holdings)
                found = next((each for each in answers if not isinstance(each, Unreadable)), None)
                if found is not None and found.files_in_flight:
                    yield f"descriptors are in flight to {link} of pid {holdings[0].pid}", self._is_outside(link)

    def _is_outside(self, link: str) -> bool:
        """Tell whether a socket and its peer are held outside the job only; not so if the peer is not known."""
        peers = self.peers()
        peer = None if isinstance(peers, Unreadable) else peers.get(int(link[len("socket:[") : -1]))
        ends = [self.tables.by_link.get(link, []), self.tables.by_link.get(f"socket:[{peer}]", [])]
        return all(ends) and not any(self.world.is_in_scope(holding.pid) for end in ends for holding in end)

    def _assumed(self, link: str, is_own: bool, pids: set[int]) -> tuple[Assumption, ...] | Unreadable:
        """Return what must be assumed if `pids` are to be all that have an object; or why nothing may be."""
        scope = self.world.scope
        blind = {pid: why for pid, why in self.tables.blind.items() if pid not in pids}
        if not blind and self._hidden is None:
            return ()
        known = tuple(sorted(pids))
        if scope is None or not is_own:
            return self._hidden.but(what=link, known=known) if self._hidden else _unseen_holder(link, blind, known)
        for pid, why in blind.items():
            process = self.world.process(pid)
            is_younger = process is None or process.start_time >= scope.root.start_time
            if is_younger or why != REFUSED or self.world.is_in_scope(pid):
                return _unseen_holder(link, {pid: why}, known)
        if self._hidden is not None and (unseen := self._unseen_child()) is not None:
            return Unreadable(link, f"pid {unseen}, a process of the job, may have it: it is hidden")
        return (Assumption.A1,)

    def _unseen_child(self) -> int | None:
        """Return a child of one of the job's processes that is not to be seen, such as a setuid program's."""
        mine = (pid for pid in self.tables.processes() if self.world.is_in_scope(pid))
        return next((child for pid in mine if (child := self.world.unseen_child(pid)) is not None), None)

    def _what_hides(self) -> Hidden | None:
        """Return why there may be processes that are not to be seen at all."""
        reader = self.world.reader
        namespace, mounts = reader.link("self/ns/pid"), reader.text("self/mountinfo")
        if namespace != INITIAL_PID_NAMESPACE:
            outside = "hangprobe runs in a PID namespace: processes outside it are not to be seen"
            return Hidden("", outside, Barrier.NAMESPACE)
        if isinstance(mounts, Unreadable):
            return Hidden("", "whether processes are hidden cannot be read", mounts.barrier)
        procs = [mount for mount in parse_mounts(mounts).values() if mount.point == "/proc" and mount.kind == "proc"]
        hides = any("hidepid=" in mount.options and "hidepid=0" not in mount.options for mount in procs)
        return Hidden("", "/proc is mounted with hidepid", Barrier.HIDEPID) if hides and os.geteuid() != 0 else None


def _unseen_holder(link: str, blind: Mapping[int, str], known: tuple[int, ...]) -> Hidden:
    """Return why a process whose descriptors may not be read makes an object's holders uncertain."""
    pid, why = next(iter(blind.items()))
    return Hidden(link, f"pid {pid} may have it: {why}", Barrier.PERMISSION if why == REFUSED else None, known)


def _counts_files_in_flight() -> bool:
    """Tell whether this kernel shows `scm_fds` for unix sockets (Linux 5.6 and newer)."""
    global _has_count
    if _has_count is None:
        import socket

        with socket.socket(socket.AF_UNIX) as probe, open(f"/proc/self/fdinfo/{probe.fileno()}") as file:
            _has_count = parse_descriptor(file.read()).files_in_flight is not None
    return _has_count


_has_count: bool | None = None
