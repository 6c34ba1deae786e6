"""The observer's seat on a node: an abstract socket that one process has, and through which ranks and deputy come.

Whoever has it is the observer of the job there. Ranks name themselves on it before they become the application. The
deputy stays connected: the end of that connection tells it that the seat is free (unix(7): an abstract name goes with
the last descriptor). `agent/wrapping/rank.py` speaks the other side.

    rank <parent's pid> <pid> <start time>      a rank to the observer, and on to the deputy
    deputy                                      the deputy to the observer
    bye                                         the observer to the deputy: the job has ended
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

LINE_LIMIT = 128
_CREDENTIALS = struct.Struct("3i")


class RankAt(NamedTuple):
    """A rank that has named itself."""

    parent: int
    pid: int
    start_time: int

    @classmethod
    def parse(cls, text: str) -> RankAt:
        """Read `PPID:PID:START` or the same with blanks. Raises ValueError."""
        parent, pid, start_time = (int(word) for word in text.replace(":", " ").split())
        return cls(parent, pid, start_time)


@dataclass(slots=True)
class Registry:
    """The listening end; nothing here ever waits. Without a seat, ranks are only told of by `add`."""

    listener: socket.socket | None
    ranks: dict[RankAt, None] = field(default_factory=dict)
    """In the order in which they came."""
    deputies: list[socket.socket] = field(default_factory=list)
    _unread: dict[socket.socket, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let no call on it wait."""
        if self.listener is not None:
            self.listener.setblocking(False)

    @property
    def deputy_pids(self) -> set[int]:
        """Who stands by."""
        return {_credentials(deputy).pid for deputy in self.deputies}

    def take_in(self) -> list[RankAt]:
        """Return the ranks that have come since the last call."""
        with contextlib.suppress(BlockingIOError):
            while self.listener is not None:
                caller = self.listener.accept()[0]
                if _credentials(caller).uid == os.geteuid():  # an abstract socket is open to every user of the node
                    self._unread[caller] = b""
                else:
                    caller.close()
        found: list[RankAt] = []
        for caller in list(self._unread):
            caller.setblocking(False)
            try:
                piece = caller.recv(4096)
            except BlockingIOError:
                continue
            except OSError:
                piece = b""
            *lines, rest = (self._unread[caller] + piece).split(b"\n")
            self._unread[caller] = rest[:LINE_LIMIT]
            is_deputy = sum(self._hear(line, caller, found) for line in lines) > 0
            if not piece or is_deputy:
                del self._unread[caller]
                if not is_deputy:
                    caller.close()
        for rank in found:
            self._tell(f"rank {rank.parent} {rank.pid} {rank.start_time}\n")
        return found

    def add(self, rank: RankAt) -> None:
        """Take in a rank that is known in another way."""
        self.ranks[rank] = None

    def close(self) -> None:
        """Send the deputy home, and leave."""
        self._tell("bye\n")
        for each in (*self.deputies, *self._unread, *filter(None, [self.listener])):
            each.close()

    def _hear(self, line: bytes, caller: socket.socket, found: list[RankAt]) -> bool:
        """Take in a line; return whether its sender is the deputy, who stays."""
        word, _, rest = line.decode(errors="replace").partition(" ")
        if word == "deputy":
            self.deputies.append(caller)
            for rank in self.ranks:
                self._tell(f"rank {rank.parent} {rank.pid} {rank.start_time}\n")
            return True
        if word == "rank":
            with contextlib.suppress(ValueError):
                rank = RankAt.parse(rest)
                self.ranks[rank] = None
                found.append(rank)
        return False

    def _tell(self, line: str) -> None:
        for deputy in list(self.deputies):
            try:
                deputy.send(line.encode(), socket.MSG_NOSIGNAL)
            except OSError:
                deputy.close()
                self.deputies.remove(deputy)


class _Credentials(NamedTuple):
    """Who is at the other end."""

    pid: int
    uid: int
    gid: int


def _credentials(caller: socket.socket) -> _Credentials:
    """Return who is at the other end: SO_PEERCRED of unix(7)."""
    found = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _Credentials(*_CREDENTIALS.unpack(found))
