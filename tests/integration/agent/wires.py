"""What the tests of the link do to it: raw clients, and a wire that can be listened to, cut, and held."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import zmq

from hangprobe.agent.link.admission import Peer
from hangprobe.agent.link.head import Head
from hangprobe.agent.link.keys import Keys, make_keys
from hangprobe.agent.link.line import Line
from hangprobe.agent.link.messages import Envelope, Hello, OfObserver, closed

JOB = "job-of-the-test"
LIMIT_S = 20.0
HELLO = Hello(4711, 99)


def until(is_so: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """Return what a condition returns once it holds."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        found = is_so()
        if found:
            return found
        time.sleep(0.005)
    raise TimeoutError("it did not come to be")


@contextlib.contextmanager
def a_head(keys: Keys | None = None) -> Iterator[tuple[Head, Keys]]:
    keys = keys or make_keys()
    head = Head(JOB, keys)
    try:
        yield head, keys
    finally:
        head.close()


@contextlib.contextmanager
def a_line(keys: Keys, port: int, host: str = "node01") -> Iterator[Line]:
    line = Line([f"127.0.0.1:{port}"], keys.server_public, keys.client_public, keys.client_secret, JOB, host)
    try:
        yield line
    finally:
        line.close(0.0)


@dataclass
class Client:
    """A client that sends whatever it is told to."""

    link: Any
    peer: Peer = field(default_factory=lambda: Peer("node01", secrets.token_hex(8)))
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def envelope(self, body: OfObserver, number: int | None = None) -> bytes:
        return closed(Envelope(JOB, self.peer.host, self.peer.incarnation, number or next(self.numbers), body))

    def send(self, *frames: bytes) -> None:
        self.link.send_multipart(frames)

    def say(self, body: OfObserver) -> None:
        self.send(self.envelope(body))


@contextlib.contextmanager
def clients() -> Iterator[Callable[..., Client]]:
    """Yield what makes a client of a port; all are closed in the end."""
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 4096)

    def connect(port: int, keys: Keys | None, host: str = "node01") -> Client:
        link = context.socket(zmq.DEALER)
        if keys is not None:
            link.set(zmq.CURVE_SERVERKEY, keys.server_public.encode())
            link.set(zmq.CURVE_PUBLICKEY, keys.client_public.encode())
            link.set(zmq.CURVE_SECRETKEY, keys.client_secret.encode())
        link.set(zmq.SNDTIMEO, 5000)
        link.connect(f"tcp://127.0.0.1:{port}")
        return Client(link, Peer(host, secrets.token_hex(8)))

    try:
        yield connect
    finally:
        context.destroy(linger=0)


class Wire:
    """A TCP port that passes everything on to another, remembers it, and can be cut or held."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self.passed = bytearray()
        self._ends: list[socket.socket] = []
        self._may_pass = threading.Event()
        self._may_pass.set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                other = socket.create_connection(("127.0.0.1", self._target))
                self._ends += [caller, other]
                for source, sink in ((caller, other), (other, caller)):
                    self._threads.append(threading.Thread(target=self._pass, args=(source, sink)))
                    self._threads[-1].start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._may_pass.wait()
                self.passed += data
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """End all connections that stand; new ones are taken."""
        ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def hold(self) -> None:
        """Let nothing through any more, and say so to nobody."""
        self._may_pass.clear()

    def release(self) -> None:
        self._may_pass.set()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        ends = list(self._ends)
        self.cut()
        self.release()
        for thread in self._threads:
            thread.join()
        for end in ends:
            end.close()


def descriptors() -> dict[str, str]:
    """Return this process's descriptors and where they point."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[name] = os.readlink(f"/proc/self/fd/{name}")
    return found
