"""A host's own addresses, loopback last."""

from __future__ import annotations

from pathlib import Path

from hangprobe.agent.link.addresses import endpoint, own_addresses, split_endpoint

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     +-- 192.0.2.0/24 2 0 2
           |-- 192.0.2.0
              /24 link UNICAST
           |-- 192.0.2.17
              /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
Local:
           |-- 198.51.100.3
              /32 host LOCAL
           |-- 192.0.2.17
              /32 host LOCAL
"""
IF_INET6 = """\
20010db8000000000000000000000002 04 40 00 82     eth0
fe8000000000000000fc00fffe000001 04 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""


def test_whole_addresses_of_the_host_count_and_loopback_stands_last(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/fib_trie").write_text(FIB_TRIE)
    (tmp_path / "net/if_inet6").write_text(IF_INET6)
    assert own_addresses(tmp_path) == ("192.0.2.17", "198.51.100.3", "2001:db8::2", "127.0.0.1", "::1")


def test_a_kernel_without_these_files_has_no_addresses(tmp_path: Path) -> None:
    assert own_addresses(tmp_path) == ()


def test_an_ipv6_address_stands_in_brackets_before_its_port() -> None:
    assert [endpoint("::1", 7), endpoint("192.0.2.1", 7)] == ["[::1]:7", "192.0.2.1:7"]
    assert [split_endpoint("[::1]:7"), split_endpoint("192.0.2.1:7")] == [("::1", 7), ("192.0.2.1", 7)]
