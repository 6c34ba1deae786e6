"""The process in a node's second seat: waits for the end of the observer, and becomes the next one.

A program of its own (`python -I -S deputy.py LINKFILE SEAT PARENT:PID:START`, SEAT its socket's descriptor), so that
neither its command line nor its environment is a rank's. Python 3.8, as seat.py.
"""

from __future__ import annotations

import _socket
import posix
import sys
import time

if not __package__:
    for _name in ("hangprobe", "hangprobe.agent", "hangprobe.agent.wrapping"):
        sys.modules[_name] = type(sys)(_name)
        sys.modules[_name].__path__ = [__file__.rpartition("/")[0]]

from hangprobe.agent.wrapping import seat as seats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

LOOK_S = 1.0
"""How often the deputy looks whether its ranks are still there."""
SUCCESSIONS = 5
"""Observers that may die on a node before it is given up: one that cannot run must not be started for ever."""


class Deputy:
    """The process in the second seats."""

    def __init__(self, path: bytes, seat: int, rank: seats.Rank) -> None:
        self.link = seats.read_link(seats.trusted(path))
        self.path = path
        self.seat = seat
        self.ranks = {rank}
        self.successions = 0

    def serve(self) -> None:
        """Stand by until the end of the job on this node, or until the observer dies."""
        while not self._is_over() and self.successions < SUCCESSIONS:
            connection = seats.speak(self.link, b"deputy\n")
            if connection is not None and self._listen(connection):
                return
            until_s = time.monotonic() + LOOK_S * self.successions
            time.sleep(seats.POLL_S)
            while time.monotonic() < until_s and not self._is_over():
                time.sleep(seats.POLL_S)
            vacant = seats.take(self.link, seats.OBSERVER) if not self._is_over() else None
            if vacant is not None:
                self._succeed(vacant)

    def _is_over(self) -> bool:
        return all(map(seats.is_over, self.ranks))

    def _listen(self, connection: _socket.socket) -> bool:
        """Learn of ranks until the connection ends; return whether the job is over."""
        if seats.user_of(connection) != posix.getuid():
            return True
        connection.settimeout(LOOK_S)
        rest = b""
        while True:
            try:
                data = connection.recv(65536)
            except _socket.timeout:
                if self._is_over():
                    return True
                continue
            except OSError:  # closed by an observer that had not listened yet
                data = b""
            if not data:
                connection.close()
                return False
            *lines, rest = (rest + data).split(b"\n")
            self.ranks.update(rank for rank in map(seats.parse_rank, lines) if rank is not None)
            if b"bye" in lines:
                return True

    def _succeed(self, vacant: _socket.socket) -> NoReturn:
        """Become the observer, after a new process has taken this one's seat."""
        self.successions += 1

        def stand_by() -> None:
            vacant.close()
            posix.setsid()
            self.serve()

        seats.detach(stand_by)
        posix.close(self.seat)
        posix.set_inheritable(vacant.fileno(), True)
        seats.observe(self.path, self.link, vacant.fileno(), sorted(self.ranks), posix.environ)


def main(path: bytes, seat: bytes, rank: bytes) -> None:
    """Be the deputy."""
    known = seats.parse_rank(b"rank " + rank.replace(b":", b" "))
    assert known is not None
    number = int(seat)
    posix.set_inheritable(number, False)
    Deputy(path, number, known).serve()


if __name__ == "__main__":
    with open("/proc/self/cmdline", "rb") as _file:  # as bytes: sys.argv went through the locale
        _words = _file.read().split(b"\0")[-4:-1]
    main(*_words)
