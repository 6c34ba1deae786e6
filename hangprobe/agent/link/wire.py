"""What both ends of the link agree on with libzmq: sizes, times, and how a connection that is dead is noticed."""

from __future__ import annotations

import sys
from typing import Any

from hangprobe.agent.link.messages import LIMIT

OVERHEAD = 4096
"""On top of LIMIT what the wire may carry: CURVE adds 33 bytes, and a little too much is counted before it is cut."""
HANDSHAKE_S = 10.0
"""A head on which 16,384 nodes call at once has some 5 s of handshakes to do (0.3 ms each)."""
HEARTBEAT_S = 2.0
SILENCE_S = 8.0
"""Without a sign of life of the other side a connection is given up."""
QUEUE = 16
"""Messages that libzmq holds for one connection, in and out."""


def prepare(link: Any) -> None:
    """Set what both ends set, before a socket binds or connects."""
    import zmq

    link.set(zmq.MAXMSGSIZE, LIMIT + OVERHEAD)
    link.set(zmq.HANDSHAKE_IVL, int(HANDSHAKE_S * 1000))
    link.set(zmq.RCVHWM, QUEUE)
    link.set(zmq.SNDHWM, QUEUE)
    link.set(zmq.HEARTBEAT_IVL, int(HEARTBEAT_S * 1000))
    link.set(zmq.HEARTBEAT_TIMEOUT, int(SILENCE_S * 1000))
    link.set(zmq.HEARTBEAT_TTL, int(SILENCE_S * 1000))


def event_of(frames: list[bytes]) -> int:
    """Return the event in a message of a monitor: u16 event, u32 value, in the host's order (zmq_socket_monitor(3))."""
    return int.from_bytes(frames[0][:2], sys.byteorder)
