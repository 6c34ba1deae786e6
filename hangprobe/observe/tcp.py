"""The TCP connections of a process, looked up in its `/proc/PID/net/tcp` by the sockets that it has.

Documentation/networking/proc_net_tcp.rst; the addresses are in the byte order of the machine.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from hangprobe.model import Unreadable
from hangprobe.observe.reader import Reader

ESTABLISHED, LISTENING = 0x01, 0x0A
"""include/net/tcp_states.h."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One line of the table."""

    own: str
    """Address and port of this end, `10.0.0.254:33007`."""
    peer: str
    """Address and port of the other end, `10.0.0.1:33007`; port 0 for one that listens."""
    state: int
    inode: str

    @property
    def port(self) -> int:
        """The port of this end."""
        return int(self.own.rpartition(":")[2])


def connections(reader: Reader, pid: int) -> list[Connection]:
    """Return the TCP connections of a process; none where its descriptors may not be read."""
    numbers = reader.numbers(f"{pid}/fd")
    links = [] if isinstance(numbers, Unreadable) else [reader.link(f"{pid}/fd/{number}") for number in numbers]
    own = {link[len("socket:[") : -1] for link in links if isinstance(link, str) and link.startswith("socket:[")}
    tables = [reader.text(f"{pid}/net/{name}") for name in ("tcp", "tcp6")] if own else []
    return [each for text in tables if isinstance(text, str) for each in parse_tcp(text) if each.inode in own]


def parse_tcp(text: str) -> Iterator[Connection]:
    """Yield the connections in `/proc/net/tcp` or `tcp6`; a line that does not read is left out."""
    for line in text.splitlines()[1:]:
        words = line.split()
        try:
            yield Connection(_address(words[1]), _address(words[2]), int(words[3], 16), words[9])
        except (IndexError, ValueError, OverflowError):
            continue


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    words = [int(host[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(host), 8)]
    found = ipaddress.ip_address(b"".join(words))
    plain = getattr(found, "ipv4_mapped", None) or found  # a socket of IPv6 shows its peers of IPv4 so
    return f"{plain}:{int(port, 16)}"
