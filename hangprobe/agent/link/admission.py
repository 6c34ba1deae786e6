"""Which of the messages that came over the wire the head takes in, and what of them it keeps until somebody asks.

Apart from the sockets so that it can be tried with any bytes, in any order, at any time. Everything is bounded: the
peers, what is kept of each, what each may send in a second, and the bytes that are kept of all.

Who has the job's key can still pretend to be a node of which nobody has heard. It cannot speak for one that is heard:
a peer belongs to the connection on which it said Hello, as long as that lives.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

from hangprobe.agent.link.messages import (
    LIMIT,
    OF_OBSERVER,
    PROTOCOL,
    Answer,
    Envelope,
    Hello,
    NoMessage,
    OfObserver,
    opened,
)

PEERS = 65_536
"""More nodes than any machine has; whoever comes beyond is turned away."""
FORGET_S = 600.0
"""When there is no room, a peer or connection that has been silent for so long makes some."""
RATE = 50.0
"""Messages a second of one connection; an observer says one or two."""
BURST = 200.0
RATE_BYTES = 4.0 * 1024 * 1024
BURST_BYTES = 4.0 * LIMIT
ANSWERS = 16
"""Kept of one peer while nobody asks for them: the head asks a node one thing at a time."""
KEPT_BYTES = 256 * 1024 * 1024
"""As they came over the wire. Beyond, messages stay where they are: in the sender's queue, and none is lost."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One observer process; another one on the same node has another incarnation."""

    host: str
    incarnation: str


@dataclass(slots=True)
class Counts:
    """What was not taken in, by reason."""

    malformed: int = 0
    """No message of this protocol, or one that only the head says."""
    foreign: int = 0
    """Of another job, or of another version of the protocol."""
    replayed: int = 0
    """Not younger than what that peer had said before."""
    oversized: int = 0
    """Longer than LIMIT. (Of much longer ones nothing is heard: libzmq cuts the connection.)"""
    hijacked: int = 0
    """Said in the name of a peer that belongs to another connection, or before its Hello."""
    flooding: int = 0
    """More in a second than a connection may say; not even looked at."""
    crowded: int = 0
    """From a peer or connection for which there is no room."""
    refused: int = 0
    """Connections with a key that is not this job's."""
    keyless: int = 0
    """Connections that have shown none: scans, other protocols, and nodes that look which address answers."""
    undelivered: int = 0
    """Of the head's own: to peers that could not be reached."""

    def __str__(self) -> str:
        """Return those that are not zero."""
        return ", ".join(f"{each.name} {getattr(self, each.name)}" for each in fields(self) if getattr(self, each.name))


@dataclass(slots=True)
class _Route:
    """A connection."""

    messages: float
    bytes: float
    """What it may still say at once."""
    at_s: float
    peer: Peer | None = None


@dataclass(slots=True)
class _Known:
    """A peer that has said Hello."""

    route: bytes
    number: int
    heard_s: float
    answers: int = 0


@dataclass(slots=True)
class Admission:
    """One thread lets in, another takes; a lock is held for moments, never while something is decoded."""

    job: str
    is_alive: Callable[[bytes], bool]
    """Whether a connection stands; asked when another one says Hello as the same peer."""
    clock: Callable[[], float] = time.monotonic
    counts: Counts = field(default_factory=Counts)
    kept_bytes: int = 0
    _routes: dict[bytes, _Route] = field(default_factory=dict)
    _peers: dict[Peer, _Known] = field(default_factory=dict)
    _kept: dict[tuple[Peer, type, int], tuple[OfObserver, int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def let_in(self, route: bytes, frames: Sequence[bytes]) -> bool:
        """Take in a message of a connection if it may come in, and tell whether it did."""
        now_s = self.clock()
        size = sum(map(len, frames))
        connection = self._route(route, now_s)
        if connection is None or not self._has_allowance(connection, size, now_s):
            return False
        if size > LIMIT:
            self.counts.oversized += 1
            return False
        envelope = self._read(frames)
        if envelope is None or not isinstance(envelope.body, OF_OBSERVER):
            return False
        peer = Peer(envelope.host, envelope.incarnation)
        with self._lock:
            known = self._introduced(peer, route, connection, envelope, now_s)
            if known is None:
                return False
            known.number, known.heard_s = envelope.number, now_s
            return self._keep(peer, known, envelope.body, size)

    def take(self) -> list[tuple[Peer, OfObserver]]:
        """Return what was kept, oldest first, and keep it no longer."""
        with self._lock:
            kept, self._kept, self.kept_bytes = self._kept, {}, 0
            for peer, kind, _ in kept:
                if kind is Answer and peer in self._peers:
                    self._peers[peer].answers = 0
        return [(peer, body) for (peer, _, _), (body, _) in kept.items()]

    def has_room(self) -> bool:
        """Tell whether more may be kept at present."""
        return self.kept_bytes < KEPT_BYTES

    def route_of(self, peer: Peer) -> bytes | None:
        """Return the connection by which a peer is reached."""
        with self._lock:
            known = self._peers.get(peer)
        return None if known is None else known.route

    def last_heard_s(self, peer: Peer) -> float | None:
        """Return the monotonic time of the last message of a peer; None if it is not known."""
        with self._lock:
            known = self._peers.get(peer)
        return None if known is None else known.heard_s

    def _route(self, route: bytes, now_s: float) -> _Route | None:
        found = self._routes.get(route)
        if found is None:
            if len(self._routes) >= 2 * PEERS:
                self._routes = {key: each for key, each in self._routes.items() if now_s - each.at_s < FORGET_S}
            if len(self._routes) >= 2 * PEERS:
                self.counts.crowded += 1
                return None
            found = self._routes[route] = _Route(BURST, BURST_BYTES, now_s)
        return found

    def _has_allowance(self, connection: _Route, size: int, now_s: float) -> bool:
        """Count a message against what its connection may say (a token bucket)."""
        passed_s = now_s - connection.at_s
        connection.at_s = now_s
        connection.messages = min(BURST, connection.messages + passed_s * RATE)
        connection.bytes = min(BURST_BYTES, connection.bytes + passed_s * RATE_BYTES)
        if connection.messages < 1.0 or connection.bytes < size:
            self.counts.flooding += 1
            return False
        connection.messages -= 1.0
        connection.bytes -= size
        return True

    def _read(self, frames: Sequence[bytes]) -> Envelope | None:
        try:
            if len(frames) != 1:
                raise NoMessage("more than one frame")
            envelope = opened(frames[0])
            if not isinstance(envelope.body, OF_OBSERVER):
                raise NoMessage("only the head says that")
        except NoMessage:
            self.counts.malformed += 1
            return None
        is_other = isinstance(envelope.body, Hello) and envelope.body.protocol != PROTOCOL
        if envelope.job != self.job or is_other:
            self.counts.foreign += 1
            return None
        return envelope

    def _introduced(
        self, peer: Peer, route: bytes, connection: _Route, envelope: Envelope, now_s: float
    ) -> _Known | None:
        """Return what is known of a peer if it may say this on this connection."""
        known = self._peers.get(peer)
        if known is not None and envelope.number <= known.number:
            self.counts.replayed += 1
            return None
        if known is not None and known.route == route:
            return known
        is_free = connection.peer is None and (known is None or not self.is_alive(known.route))
        if not isinstance(envelope.body, Hello) or not is_free:
            self.counts.hijacked += 1
            return None
        if known is None:
            known = self._newcomer(peer, route, now_s)
        if known is not None:
            self._routes.pop(known.route if known.route != route else b"", None)
            known.route, connection.peer = route, peer
        return known

    def _newcomer(self, peer: Peer, route: bytes, now_s: float) -> _Known | None:
        if len(self._peers) >= PEERS:
            self._peers = {key: each for key, each in self._peers.items() if now_s - each.heard_s < FORGET_S}
        if len(self._peers) >= PEERS:
            self.counts.crowded += 1
            return None
        self._peers[peer] = known = _Known(route, 0, now_s)
        return known

    def _keep(self, peer: Peer, known: _Known, body: OfObserver, size: int) -> bool:
        """Keep a message: of a peer's answers each, of everything else only the newest."""
        is_answer = isinstance(body, Answer)
        if is_answer and known.answers >= ANSWERS:
            self.counts.flooding += 1
            return False
        known.answers += is_answer
        key = (peer, type(body), known.number if is_answer else 0)
        _, old_size = self._kept.pop(key, (None, 0))
        self._kept[key] = (body, size)
        self.kept_bytes += size - old_size
        return True
