from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator

import pytest

from hangprobe.agent.observer.registry import LINE_LIMIT, RankAt, Registry


@pytest.fixture
def registry() -> Iterator[Registry]:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(f"\0hangprobe-test-{secrets.token_hex(8)}")
    listener.listen()
    found = Registry(listener)
    yield found
    found.close()


def call(registry: Registry, text: bytes) -> socket.socket:
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    assert registry.listener is not None
    caller.connect(registry.listener.getsockname())
    caller.sendall(text)
    return caller


def test_nobody_has_called_and_nothing_waits(registry: Registry) -> None:
    assert registry.take_in() == []


def test_a_rank_names_itself_and_leaves(registry: Registry) -> None:
    call(registry, b"rank 7 8 1234\n").close()
    assert registry.take_in() == [RankAt(7, 8, 1234)]
    assert list(registry.ranks) == [RankAt(7, 8, 1234)]
    assert registry.take_in() == []


def test_a_line_may_come_in_pieces(registry: Registry) -> None:
    caller = call(registry, b"rank 7 8")
    assert registry.take_in() == []
    caller.sendall(b" 9\n")
    assert registry.take_in() == [RankAt(7, 8, 9)]
    caller.close()


@pytest.mark.parametrize("line", [b"rank 1 2\n", b"rank a b c\n", b"\xff\xfe\n", b"rank 1 2 3 4\n", b"hello\n", b"\n"])
def test_what_is_no_rank_is_passed_over(registry: Registry, line: bytes) -> None:
    call(registry, line + b"rank 1 2 3\n").close()
    assert registry.take_in() == [RankAt(1, 2, 3)]


def test_somebody_who_never_ends_a_line_takes_no_room(registry: Registry) -> None:
    caller = call(registry, b"x" * 4096)
    registry.take_in()
    assert max(map(len, registry._unread.values())) <= LINE_LIMIT
    caller.close()


def test_the_deputy_learns_of_every_rank_and_is_sent_home(registry: Registry) -> None:
    registry.add(RankAt(1, 2, 3))
    deputy = call(registry, b"deputy\n")
    registry.take_in()
    call(registry, b"rank 1 4 5\n").close()
    registry.take_in()
    assert registry.deputy_pids == {os.getpid()}
    registry.close()
    told = b""
    while piece := deputy.recv(4096):
        told += piece
    assert told == b"rank 1 2 3\nrank 1 4 5\nbye\n"
    deputy.close()


def test_a_deputy_that_has_died_is_forgotten(registry: Registry) -> None:
    call(registry, b"deputy\n").close()
    registry.take_in()
    for number in range(3):
        call(registry, b"rank 1 2 %d\n" % number).close()
        registry.take_in()
    assert registry.deputy_pids == set()


def test_another_user_of_the_node_names_no_rank(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    call(registry, b"rank 7 8 1234\n").close()
    assert registry.take_in() == []
    assert not registry.ranks


def test_a_rank_is_written_as_on_the_observers_command_line() -> None:
    assert RankAt.parse("1:2:3") == RankAt(1, 2, 3)
    with pytest.raises(ValueError, match="expected 3"):
        RankAt.parse("1:2")
