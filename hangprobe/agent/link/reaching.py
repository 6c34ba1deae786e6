"""Whether somebody takes a TCP connection at an address: one look, in a time that is set."""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Sequence
from enum import Enum, auto

from hangprobe.agent.link.addresses import split_endpoint

ANSWER_S = 1.0
GRACE_S = 0.05
"""For an address that stands further in front, after one has answered."""
KNOCK_S = 0.5


class Reached(Enum):
    """What became of a connection."""

    TAKEN = auto()
    REFUSED = auto()
    """The host is there, and says that nobody listens."""
    UNKNOWN = auto()
    """No answer in time, no way there."""


def knock(endpoint: str, timeout_s: float = KNOCK_S) -> Reached:
    """Connect once to `address:port`, and hang up."""
    try:
        with socket.create_connection(split_endpoint(endpoint), timeout_s) as connection:
            # Within a host a connection can meet itself: its own port happened to be the one that it looked for.
            return Reached.REFUSED if connection.getsockname() == connection.getpeername() else Reached.TAKEN
    except ConnectionRefusedError:
        return Reached.REFUSED
    except (OSError, ValueError):
        return Reached.UNKNOWN


def first_that_answers(endpoints: Sequence[str], timeout_s: float = ANSWER_S) -> str | None:
    """Connect to all at once; return the foremost of those that answered first, None if nobody did in time."""
    until_s = time.monotonic() + timeout_s
    answered: list[str] = []
    with selectors.DefaultSelector() as selector:
        for endpoint in endpoints:
            _begin(endpoint, selector)
        while selector.get_map():
            for key, _ in selector.select(max(0.0, until_s - time.monotonic())):
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    answered.append(key.data)
                    until_s = min(until_s, time.monotonic() + GRACE_S)
                selector.unregister(key.fileobj)
                key.fileobj.close()
            if time.monotonic() >= until_s:
                break
        for key in list(selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
    return min(answered, key=list(endpoints).index, default=None)


def _begin(endpoint: str, selector: selectors.BaseSelector) -> None:
    try:
        address, port = split_endpoint(endpoint)
        caller = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    except (OSError, ValueError):
        return
    caller.setblocking(False)
    try:
        begun = caller.connect_ex((address, port))
    except OSError:  # an address of the wrong form
        begun = errno.EINVAL
    if begun in (0, errno.EINPROGRESS):
        selector.register(caller, selectors.EVENT_WRITE, endpoint)
    else:
        caller.close()
