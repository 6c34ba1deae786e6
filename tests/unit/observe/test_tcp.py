"""The kernel's tables of TCP connections: what stands there is read, and nothing else ever raises."""

from __future__ import annotations

import ipaddress
import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.observe.reader import Reader
from hangprobe.observe.tcp import ESTABLISHED, LISTENING, Connection, connections, parse_tcp

from .opened import opened
from .tree import ProcTree

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTENS = "   0: 0100007F:B2F5 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 7001 1 ffff 100"
CONNECTED = "   1: 0200000A:80EF 0100000A:B2F5 01 00000000:00000000 00:00000000 00000000  1000        0 7002 1 ffff 20"
CONNECTED_6 = (
    "   0: 00000000000000000000000001000000:80EF B80D0120000000000000000002000000:B2F5 01 00000000:00000000 "
    "00:00000000 00000000     0        0 7003 1 ffff 20"
)
IS_LITTLE = sys.byteorder == "little"
little_endian = pytest.mark.skipif(not IS_LITTLE, reason="the lines were captured on a little-endian machine")
"""The kernel prints addresses as numbers of its own byte order."""


def table(*lines: str) -> str:
    return HEAD + "".join(f"{line}\n" for line in lines)


@little_endian
def test_a_connection_and_a_listening_port_are_read_as_ss_shows_them() -> None:
    assert list(parse_tcp(table(LISTENS, CONNECTED))) == [
        Connection("127.0.0.1:45813", "0.0.0.0:0", LISTENING, "7001"),
        Connection("10.0.0.2:33007", "10.0.0.1:45813", ESTABLISHED, "7002"),
    ]


@little_endian
def test_a_peer_of_ipv6_is_written_as_one_writes_it() -> None:
    assert list(parse_tcp(table(CONNECTED_6))) == [Connection("::1:33007", "2001:db8::2:45813", ESTABLISHED, "7003")]


@little_endian
def test_an_address_of_ipv4_is_the_same_in_the_table_of_ipv6() -> None:
    mapped = CONNECTED_6.replace("B80D0120000000000000000002000000", "0000000000000000FFFF00000100000A")
    assert [each.peer for each in parse_tcp(table(mapped))] == ["10.0.0.1:45813"]


def shown(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> str:
    """Return an address as net/ipv4/tcp_ipv4.c prints it: words of 32 bits in the machine's own order."""
    words = [address.packed[start : start + 4] for start in range(0, len(address.packed), 4)]
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{port:04X}"


def plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> object:
    return getattr(address, "ipv4_mapped", None) or address


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(1, 11))
def test_what_the_kernel_writes_is_read_back(
    own: ipaddress.IPv4Address | ipaddress.IPv6Address,
    peer: ipaddress.IPv4Address | ipaddress.IPv6Address,
    port: int,
    peers_port: int,
    state: int,
) -> None:
    line = f"  0: {shown(own, port)} {shown(peer, peers_port)} {state:02X} 0:0 00:0 0 1000 0 7001 1 ffff 100"
    assert list(parse_tcp(table(line))) == [
        Connection(f"{plain(own)}:{port}", f"{plain(peer)}:{peers_port}", state, "7001")
    ]


@given(st.text())
def test_no_text_makes_the_parser_raise(text: str) -> None:
    list(parse_tcp(HEAD + text))


@given(st.lists(st.text(alphabet="0123456789ABCDEFxyz:-+_ ", max_size=30), min_size=10, max_size=12))
def test_no_word_of_a_line_makes_the_parser_raise(words: list[str]) -> None:
    list(parse_tcp(table(" ".join(words))))


@pytest.mark.parametrize(
    "damaged",
    ["", "0: 0:1 -1:1 0A 0 0 0 0 0 7", "   0: 0100007F:B2F5", LISTENS.replace(" 0A ", " -- "), "x" * 200, "\0"],
)
def test_a_line_that_does_not_read_is_left_out_and_the_others_are_kept(damaged: str) -> None:
    assert [each.inode for each in parse_tcp(table(LISTENS, damaged, CONNECTED))] == ["7001", "7002"]


@pytest.mark.parametrize("text", ["", HEAD, HEAD.rstrip()])
def test_an_empty_table_has_no_connections(text: str) -> None:
    assert list(parse_tcp(text)) == []


# whose they are

PID = 100


def process(tree: ProcTree, *links: str) -> None:
    tree.add(PID, links={number: opened(link) for number, link in enumerate(links)})
    tree.write(f"{PID}/net/tcp", table(LISTENS, CONNECTED))
    tree.write(f"{PID}/net/tcp6", table(CONNECTED_6))


def inodes(tree: ProcTree) -> list[str]:
    return [each.inode for each in connections(tree.reader(), PID)]


def test_a_table_shows_the_whole_node_and_a_process_has_those_of_its_own_sockets(tree: ProcTree) -> None:
    process(tree, "/dev/null", "socket:[7002]", "socket:[9999]")
    assert inodes(tree) == ["7002"]


def test_both_families_count(tree: ProcTree) -> None:
    process(tree, "socket:[7003]", "socket:[7001]")
    assert inodes(tree) == ["7001", "7003"]


@pytest.mark.parametrize("link", ["pipe:[7001]", "/tmp/socket:[7001]", "socket:[700]", "anon_inode:[7001]"])
def test_only_a_socket_of_that_very_inode_is_one(tree: ProcTree, link: str) -> None:
    process(tree, link)
    assert inodes(tree) == []


def test_a_process_whose_descriptors_may_not_be_read_tells_of_none(tree: ProcTree) -> None:
    process(tree, "socket:[7001]")
    tree.refuse(f"{PID}/fd")
    assert inodes(tree) == []


@pytest.mark.parametrize(("missing", "left"), [("tcp", ["7003"]), ("tcp6", ["7001"])])
def test_a_kernel_without_one_of_the_families_shows_the_other(tree: ProcTree, missing: str, left: list[str]) -> None:
    process(tree, "socket:[7001]", "socket:[7003]")
    tree.refuse(f"{PID}/net/{missing}", "gone")
    assert inodes(tree) == left


def test_the_connection_of_a_real_socket_is_found() -> None:
    import os

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            found = connections(Reader(), os.getpid())
            assert port in {each.port for each in found if each.state == LISTENING}
            assert f"127.0.0.1:{port}" in {each.peer for each in found if each.state == ESTABLISHED}
