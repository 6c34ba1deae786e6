"""A rank's descriptors: what each of the three standard ones leads to, and what else leads out of the rank.

What a program opens for itself after its exec is no part of its launch context. So of the descriptors above 2 only
those count that somebody outside the rank has too (the same pipe or socket; the same file at the same number, in the
launcher), or whose other end one who starts ranks has. A connection to the launcher that was made since counts as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from hangprobe.context.values import LAUNCHING, Channel, Descriptors, Far, Holder, Kind, Role, Shared
from hangprobe.model import RankView, Unreadable
from hangprobe.observe.context.otherends import OtherEnds
from hangprobe.observe.fdinfo import ACCESS_MODE, READ_ONLY, WRITE_ONLY

O_NONBLOCK = 0o4000
DELETED = "(deleted)"
STANDARD = 3
"""Descriptors 0, 1 and 2."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The descriptors of a rank."""

    stdin: Channel | None = None
    stdin_behind: Channel | None = None
    stdout: Channel | None = None
    stderr: Channel | None = None
    descriptors: Descriptors | None = None


@dataclass(frozen=True, slots=True)
class Mode:
    """How a descriptor was opened; None where that cannot be read."""

    access: str | None
    is_nonblocking: bool | None


@dataclass(slots=True)
class Channels:
    """Reads the descriptors of ranks, with who is at their other ends."""

    ends: OtherEnds

    def of(self, rank: RankView, failures: list[Unreadable]) -> Opened:
        """Return what a rank's descriptors lead to; a failed read is added to `failures`."""
        world, pid = self.ends.holders.world, rank.top.pid
        links = world.links(pid)
        if isinstance(links, Unreadable):
            failures.append(Unreadable("fd", links.why, links.barrier))
            return Opened()
        base = f"{pid}/task/{world.living(pid)}"
        stdin, stdout, stderr = (self._channel(rank, base, links, number) for number in range(STANDARD))
        shared = self._shared(rank, base, links)
        return Opened(
            stdin.but(was_replaced=self._was_replaced(stdin, links)),
            self._behind(rank, links),
            stdout,
            stderr,
            _descriptors(shared),
        )

    def _behind(self, rank: RankView, links: Mapping[int, str]) -> Channel | None:
        """Return the standard input of the program behind the rank's shells, if it is another than theirs."""
        world = self.ends.holders.world
        behind = world.links(rank.main.pid) if rank.main != rank.top else links
        if isinstance(behind, Unreadable) or behind.get(0) == links.get(0):
            return None
        return self._channel(rank, f"{rank.main.pid}/task/{world.living(rank.main.pid)}", behind, 0)

    def _channel(self, rank: RankView, base: str, links: Mapping[int, str], number: int) -> Channel:
        link = links.get(number)
        if link is None:
            return Channel(Kind.CLOSED)
        kind, mode = kind_of(link), self._mode(base, number)
        path = named(link) if kind in {Kind.FILE, Kind.OTHER} else None
        far, holders = self._far(rank.rank, link, kind, is_read=number == 0)
        return Channel(kind, path, mode.access, mode.is_nonblocking, far, holders)

    def _mode(self, base: str, number: int) -> Mode:
        flags = self.ends.flags(base, number)
        if flags is None:
            return Mode(None, None)
        access = {READ_ONLY: "read", WRITE_ONLY: "write"}.get(flags & ACCESS_MODE, "both")
        return Mode(access, bool(flags & O_NONBLOCK))

    def _far(self, rank: int, link: str, kind: Kind, *, is_read: bool) -> tuple[Far | None, tuple[Holder, ...]]:
        """Return what is known of the other end, and who has it."""
        if kind is Kind.PIPE:
            found = self.ends.of(link).writers if is_read else self.ends.of(link).readers
        elif kind is Kind.TERMINAL:
            found = self.ends.master(link)
        elif kind is Kind.SOCKET:
            peer = self.ends.peer(link)
            if peer is None:
                return Far.UNKNOWN, ()
            found = peer
        else:
            is_deleted = kind is Kind.FILE and link.endswith(DELETED)
            return None, self.ends.of(link).everybody.beside(rank) if is_deleted else ()
        beside = found.beside(rank)
        if beside:
            return Far.HELD, beside
        if rank in found.ranks:
            return Far.OWN, ()
        return (Far.CLOSED if kind is Kind.PIPE and self.ends.is_complete(link) else Far.UNSEEN), ()

    def _shared(self, rank: RankView, base: str, links: Mapping[int, str]) -> Counter[Shared]:
        """Return the descriptors above 2 that lead out of the rank, and how many there are of each kind."""
        found: Counter[Shared] = Counter()
        for number, link in links.items():
            kind = kind_of(link)
            if number < STANDARD or kind in {Kind.OTHER, Kind.NULL}:
                continue
            is_anonymous = kind in {Kind.PIPE, Kind.SOCKET}
            outside = self._outside(rank.rank, link, kind) if is_anonymous else self._launcher(rank, number, link)
            if outside:
                access = self._mode(base, number).access or "?"
                found[Shared(kind, access, outside, named(link) if kind is Kind.FILE else "")] += 1
        return found

    def _launcher(self, rank: RankView, number: int, link: str) -> tuple[Holder, ...]:
        """Return the launcher on this node if it has the same file at the same number: others may by chance."""
        launcher = self.ends.roles.launcher_of(rank.top.pid)
        theirs = self.ends.holders.world.links(launcher) if launcher is not None else {}
        if launcher is None or isinstance(theirs, Unreadable) or theirs.get(number) != link:
            return ()
        found = self.ends.roles.of(launcher)
        return (found,) if isinstance(found, Holder) else ()

    def _was_replaced(self, stdin: Channel, links: Mapping[int, str]) -> bool | None:
        """Tell whether a rank has given itself another standard input.

        Not if a launcher has its other end. It has if a pipe of which only a launcher's proxy has the write end is at
        another number: Hydra (MPICH 5.0.2) starts each rank with a copy of its own there.
        """
        if stdin.far is Far.HELD and any(each.role in LAUNCHING for each in stdin.holders):
            return False
        if stdin.kind not in {Kind.FILE, Kind.NULL, Kind.CLOSED}:
            return None
        pipes = (link for number, link in links.items() if number >= STANDARD and kind_of(link) is Kind.PIPE)
        return True if any(map(self._is_fed_by_proxy, pipes)) else None

    def _is_fed_by_proxy(self, link: str) -> bool:
        ends = self.ends.of(link)
        is_proxy = [each.role is Role.PROXY for each in ends.writers.strangers]
        return bool(is_proxy) and all(is_proxy) and not ends.writers.ranks

    def _outside(self, rank: int, link: str, kind: Kind) -> tuple[Holder, ...]:
        """Return who has the same pipe or socket; of a socket that is the rank's alone, who of a launcher its peer."""
        holders = self.ends.of(link).everybody.beside(rank)
        if holders or kind is Kind.PIPE:
            return holders
        peer = self.ends.peer(link)
        beside = peer.beside(rank) if peer is not None else ()
        return tuple(each for each in beside if each.role in LAUNCHING)


def _descriptors(shared: Counter[Shared]) -> Descriptors:
    kinds = tuple(sorted(shared))
    counts = tuple(shared[each] for each in kinds)
    return Descriptors(kinds, counts, counts)


def kind_of(link: str) -> Kind:
    """Return what a descriptor is, by what its link reads."""
    if link.startswith("pipe:["):
        return Kind.PIPE
    if link.startswith("socket:["):
        return Kind.SOCKET
    if link == "/dev/null":
        return Kind.NULL
    if link.startswith(("/dev/pts/", "/dev/tty", "/dev/console")) and link != "/dev/pts/ptmx":
        return Kind.TERMINAL
    if link.startswith("/memfd:") or not link.startswith("/"):
        return Kind.OTHER
    return Kind.FILE


def named(link: str) -> str:
    """Return a file's name; a deleted one's is a temporary name, and differs from rank to rank."""
    if link.endswith(DELETED):
        return DELETED
    return link if link.startswith("/") else link.partition(":")[0]
