"""Who has an object of the node, and who has its other end: each object once for all ranks.

A pipe may be held by a thousand ranks, which all ask for it: who holds it is folded when the first one does, and each
rank is told in constant time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from hangprobe.context.values import Holder, Role, in_order
from hangprobe.model import Unreadable
from hangprobe.observe.context.roles import Roles
from hangprobe.observe.fdinfo import ACCESS_MODE, READ_ONLY, WRITE_ONLY
from hangprobe.observe.holders import Found, Holders

_MASTER = re.compile(r"^tty-index:\s*(\d{1,9})$", re.MULTILINE)
"""drivers/tty/pty.c, ptm_show_fdinfo (Linux 4.14 and newer)."""
_FLAGS = re.compile(r"^flags:\s*([0-7]{1,12})$", re.MULTILINE)
_MASTERS = ("/dev/ptmx", "/dev/pts/ptmx")


@dataclass(frozen=True, slots=True)
class Parties:
    """Who holds something."""

    strangers: tuple[Holder, ...]
    """Those that belong to no rank."""
    ranks: frozenset[int]

    def beside(self, rank: int) -> tuple[Holder, ...]:
        """Return who holds it beside a rank; other ranks only if nobody else does."""
        has_others = len(self.ranks) > (rank in self.ranks)
        return self.strangers or ((Holder(Role.OTHER_RANK),) if has_others else ())


@dataclass(frozen=True, slots=True)
class Ends:
    """Who holds an object, and who of them may read and write it."""

    everybody: Parties
    readers: Parties
    writers: Parties


NOBODY = Parties((), frozenset())


@dataclass(slots=True)
class OtherEnds:
    """Every object of a node that ranks have open."""

    holders: Holders
    roles: Roles
    _ends: dict[str, Ends] = field(default_factory=dict)
    _flags: dict[tuple[str, int], int | None] = field(default_factory=dict)
    _masters: dict[int, Parties] | None = None

    def of(self, link: str) -> Ends:
        """Return who holds the object to which `link` leads."""
        if link not in self._ends:
            self._ends[link] = self._find(link)
        return self._ends[link]

    def peer(self, link: str) -> Parties | None:
        """Return who holds the socket at the other end; None if that is not on this node, or no unix socket."""
        peers = self.holders.peers()
        inode = link[len("socket:[") : -1]
        peer = peers.get(int(inode)) if not isinstance(peers, Unreadable) and inode.isdigit() else None
        return None if peer is None else self.of(f"socket:[{peer}]").everybody

    def is_complete(self, link: str) -> bool:
        """Tell whether nobody else can have the object than those in sight."""
        found = self.holders.judge(link, [])
        return isinstance(found, Found) and not found.assumes

    def master(self, terminal: str) -> Parties:
        """Return who has the master of a pseudo-terminal (`/dev/pts/3`); of mounts of devpts the only one is meant."""
        if self._masters is None:
            self._masters = self._find_masters()
        number = terminal.rpartition("/")[2]
        return self._masters.get(int(number), NOBODY) if number.isdigit() else NOBODY

    def flags(self, path: str, number: int) -> int | None:
        """Return how a descriptor was opened; `path` is the folder of the task whose table has it."""
        key = (path, number)
        if key not in self._flags:
            text = self.holders.world.reader.text(f"{path}/fdinfo/{number}")
            found = _FLAGS.search(text) if isinstance(text, str) else None
            self._flags[key] = int(found[1], 8) if found else None
        return self._flags[key]

    def _find(self, link: str) -> Ends:
        holdings = self.holders.links().get(link, [])
        everybody = {holding.pid for holding in holdings}
        if not link.startswith("pipe:["):
            parties = self._parties(everybody)
            return Ends(parties, parties, parties)
        readers: set[int] = set()
        writers: set[int] = set()
        for holding in holdings:
            flags = self.flags(holding.path, holding.number)
            if flags is None or flags & ACCESS_MODE != WRITE_ONLY:
                readers.add(holding.pid)
            if flags is None or flags & ACCESS_MODE != READ_ONLY:
                writers.add(holding.pid)
        return Ends(self._parties(everybody), self._parties(readers), self._parties(writers))

    def _parties(self, pids: Iterable[int]) -> Parties:
        found = [self.roles.of(pid) for pid in pids]
        strangers = in_order(each for each in found if isinstance(each, Holder))
        return Parties(strangers, frozenset(each for each in found if isinstance(each, int)))

    def _find_masters(self) -> dict[int, Parties]:
        pids: dict[int, set[int]] = {}
        for name in _MASTERS:
            for holding in self.holders.links().get(name, []):
                text = self.holders.world.reader.text(f"{holding.path}/fdinfo/{holding.number}")
                found = _MASTER.search(text) if isinstance(text, str) else None
                if found:
                    pids.setdefault(int(found[1]), set()).add(holding.pid)
        return {number: self._parties(found) for number, found in pids.items()}
