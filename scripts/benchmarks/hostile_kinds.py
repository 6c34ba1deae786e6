"""What `scripts/bench hostile` sends: messages by who has the job's key, and connections by who has none."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hangprobe.agent.link.keys import Keys, make_keys
from hangprobe.agent.link.messages import LIMIT, Alive, Answer, Envelope, Hello, LookAgain, OfHead, OfObserver, closed

PER_CONNECTION = 100
"""Less than a connection may say at once, so that each message is looked at."""


@dataclass
class Client:
    """A connection with the job's key."""

    link: Any
    incarnation: str = field(default_factory=lambda: secrets.token_hex(8))
    turn: int = 1

    def envelope(self, body: OfObserver | OfHead, number: int = 0, job: str = "bench", host: str = "hostile") -> bytes:
        """Return a message; as a rule its number is its turn."""
        self.turn += 1
        return closed(Envelope(job, host, self.incarnation, number or self.turn, body))


def _packed(*values: Any) -> bytes:
    return msgspec.msgpack.encode(values)


def honest_word(client: Client, number: int) -> bytes:
    """Return what costs the head what an honest message does: a Hello, which it need not count as taken in."""
    return client.envelope(Hello(1, 1))


KINDS: dict[str, Callable[[Client, int], bytes]] = {
    "random bytes": lambda c, n: os.urandom(n % 500 + 1),
    "100,000 arrays deep": lambda c, n: b"\x91" * 100_000,
    "deep in a field that is skipped": lambda c, n: b"\x95\xa1j\xa1h\xa1i\x01\x82\xa1x" + b"\x91" * 100_000,
    "4 billion elements announced": lambda c, n: b"\xdd\xff\xff\xff\xff",
    "cut off": lambda c, n: c.envelope(Answer(n, None, ("x" * 200,)))[: n % 200 + 1],
    "wrong types": lambda c, n: _packed("bench", n, "i", "x", {"type": 7}),
    "negative number": lambda c, n: _packed("bench", "h", "i", -n, {"type": "Alive"}),
    "words of the head": lambda c, n: c.envelope(LookAgain(n)),
    "another job": lambda c, n: c.envelope(Alive(), job="other"),
    "another protocol": lambda c, n: c.envelope(Hello(1, 1, protocol=2)),
    "said before": lambda c, n: c.envelope(Alive(), number=1),
    "in another's name": lambda c, n: c.envelope(Alive(), host="honest0"),
    "8 MiB and a byte": lambda c, n: b"\xc1" * (LIMIT + 1),
}
SCANS_OF: dict[str, Callable[[Keys, int, int], None]] = {
    "open and close": lambda keys, port, count: _scan(port, count, b""),
    "noise": lambda keys, port, count: _scan(port, count, os.urandom(200)),
    "HTTP": lambda keys, port, count: _scan(port, count, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "TLS": lambda keys, port, count: _scan(port, count, bytes.fromhex("16030100f8010000f40303") + b"\x5a" * 240),
    "half open": lambda keys, port, count: _scan(port, count, b"", hold_s=0.5),
    "a key of his own": lambda keys, port, count: _bring_keys(keys, port, count),
}


def says(kind: Callable[[Client, int], bytes]) -> Callable[[Keys, int, int], None]:
    """Return what sends so many messages of a kind, each connection after an honest Hello."""

    def attack(keys: Keys, port: int, count: int) -> None:
        with connections(keys, port, -(-count // PER_CONNECTION)) as clients:
            for client in clients:
                client.link.send(client.envelope(Hello(1, 1), number=1))
            for number in range(1, count + 1):
                client = clients[number % len(clients)]
                client.link.send(kind(client, number))

    return attack


@contextlib.contextmanager
def connections(keys: Keys, port: int, count: int) -> Iterator[list[Client]]:
    """Yield so many connections, which are closed in the end."""
    import zmq

    context = zmq.Context()
    try:
        found = []
        for _ in range(count):
            link = context.socket(zmq.DEALER)
            link.set(zmq.CURVE_SERVERKEY, keys.server_public.encode())
            link.set(zmq.CURVE_PUBLICKEY, keys.client_public.encode())
            link.set(zmq.CURVE_SECRETKEY, keys.client_secret.encode())
            link.set(zmq.SNDTIMEO, 30_000)
            link.set(zmq.SNDHWM, 8)
            link.connect(f"tcp://127.0.0.1:{port}")
            found.append(Client(link))
        yield found
    finally:
        context.destroy(linger=10_000)


def _scan(port: int, count: int, words: bytes, hold_s: float = 0.0) -> None:
    callers = []
    for _ in range(count):
        callers.append(socket.create_connection(("127.0.0.1", port), 10))
        with contextlib.suppress(OSError):
            callers[-1].sendall(words)
    time.sleep(hold_s)
    for caller in callers:
        caller.close()


def _bring_keys(keys: Keys, port: int, count: int) -> None:
    own = make_keys()
    with connections(keys._replace(client_public=own.client_public, client_secret=own.client_secret), port, count):
        time.sleep(1.0)
