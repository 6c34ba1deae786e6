"""Taken, refused, or not known: what a TCP connection proves."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from hangprobe.agent.link.reaching import Reached, first_that_answers, knock


@contextlib.contextmanager
def a_listener() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def a_full_listener() -> Iterator[str]:
    """Yield where a connection is neither taken nor refused: the queue of those to be accepted is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as callers:
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def a_closed_port() -> str:
    with a_listener() as endpoint:
        return endpoint


def test_somebody_listens() -> None:
    with a_listener() as endpoint:
        assert knock(endpoint) is Reached.TAKEN


def test_nobody_listens() -> None:
    assert knock(a_closed_port()) is Reached.REFUSED


def test_no_answer_proves_nothing() -> None:
    with a_full_listener() as endpoint:
        assert knock(endpoint, 0.2) is Reached.UNKNOWN


def test_what_is_no_address_proves_nothing() -> None:
    assert knock("nowhere.invalid:1") is Reached.UNKNOWN
    assert knock("127.0.0.1:x") is Reached.UNKNOWN


def test_the_foremost_that_answers_is_chosen() -> None:
    with a_listener() as first, a_listener() as second, a_full_listener() as mute:
        assert first_that_answers([mute, a_closed_port(), "x:y", first, second]) == first
        assert first_that_answers([mute, second, first]) == second


def test_where_nobody_answers_there_is_none() -> None:
    with a_full_listener() as mute:
        assert first_that_answers([mute, a_closed_port(), "not-an-address:1"], 0.2) is None
