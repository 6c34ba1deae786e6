"""Where other nodes may reach this one: its own addresses, as the kernel tells them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

_LEAF = re.compile(r"\|-- (\S+)")


def own_addresses(proc: Path = Path("/proc")) -> tuple[str, ...]:
    """Return this host's addresses: IPv4, then IPv6, then loopback, by which a job on this node alone is reached.

    Link-local IPv6 addresses are left out: they mean something only together with the name of an interface here.
    """
    found = dict.fromkeys([*_ipv4(_text(proc / "net/fib_trie")), *_ipv6(_text(proc / "net/if_inet6"))])
    outward = [each for each in found if not ipaddress.ip_address(each).is_loopback]
    inward = [each for each in found if ipaddress.ip_address(each).is_loopback]
    return (*outward, *inward)


def endpoint(address: str, port: int) -> str:
    """Return `address:port`, an IPv6 address in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def split_endpoint(text: str) -> tuple[str, int]:
    """Return address and port of `address:port`; raises ValueError."""
    address, _, port = text.rpartition(":")
    return address.removeprefix("[").removesuffix("]"), int(port)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # a kernel without IPv6 has no if_inet6
        return ""


def _ipv4(trie: str) -> Iterator[str]:
    """Yield the leaves of fib_trie that are whole addresses of this host: `|-- 10.0.0.1`, below it `/32 host LOCAL`."""
    leaf = ""
    for line in trie.splitlines():
        match = _LEAF.search(line)
        if match:
            leaf = match[1]
        elif "/32 host LOCAL" in line and leaf:
            yield leaf


def _ipv6(table: str) -> Iterator[str]:
    """Yield the addresses of if_inet6 but link-local ones: address, index, prefix length, scope, flags, device."""
    for line in table.splitlines():
        words = line.split()
        if len(words) == 6 and len(words[0]) == 32:
            address = ipaddress.IPv6Address(int(words[0], 16))
            if not address.is_link_local:
                yield str(address)
