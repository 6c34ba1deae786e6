"""An observer's end of the link: one connection to the head, made again whenever it breaks.

No thread of its own (libzmq has two, which block all signals). Nothing piles up: while there is no connection the
newest message of each kind is kept, and on a new one nothing goes before a Hello.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

from hangprobe.agent.link.messages import (
    LIMIT,
    OF_HEAD,
    Alive,
    Answer,
    Envelope,
    Hello,
    NoMessage,
    OfHead,
    OfObserver,
    Told,
    closed,
    opened,
)
from hangprobe.agent.link.reaching import Reached, first_that_answers, knock
from hangprobe.agent.link.wire import HANDSHAKE_S, QUEUE, event_of, prepare

RECONNECT_MS = 100
RECONNECT_AT_MOST_MS = 2000
RETRY_S = HANDSHAKE_S + 1.0
"""Without a connection, before another address is tried."""
GREET_AGAIN_S = 3.0
"""Without an answer to a Hello, before it is said again: the head may still believe in the connection before."""
KNOCK_S = 1.0
"""Between two looks whether anybody listens where the head did."""
REFUSALS = 2
ANSWERS = 64
"""Kept while there is no connection."""
PAUSE_S = 0.5
"""At most, between two tries to send what is kept."""


class Line:
    """The link to the head of one job; `send` returns at once, `receive` in the time that it is given."""

    def __init__(
        self,
        addresses: Sequence[str],
        server_public: str,
        client_public: str,
        client_secret: str,
        job: str,
        host: str,
    ) -> None:
        """Try all `addresses` (`address:port`) at once, for a second; go on with the first that answers."""
        import zmq

        self._keys = (server_public.encode(), client_public.encode(), client_secret.encode())
        self._job, self._host, self._incarnation = job, host, secrets.token_hex(16)
        self._numbers = count(1)
        self._of_head = ("", 0)
        self._kept: dict[tuple[type, int], OfObserver] = {}
        self.malformed = 0
        """What came and was not taken: no message of the head of this job, or a replay."""
        self._addresses = list(addresses)
        self._worked: str | None = None
        self._refusals, self._knocked_s = 0, 0.0
        self._epoll = select.epoll()
        self._more = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._more, select.EPOLLIN)
        self._context = zmq.Context()
        self._link: Any = None
        self._events: Any = None
        self._call(first_that_answers(self._addresses) or self._addresses[0])

    @property
    def is_connected(self) -> bool:
        """Whether the head has shown its key on a connection that stands, as far as is known."""
        return self._is_connected

    def fileno(self) -> int:
        """Readable if `receive` may have something; it may also have nothing."""
        return self._epoll.fileno()

    def send(self, body: OfObserver) -> None:
        """Say something now, or as soon as there is a connection if nothing newer of its kind is said before."""
        key = (type(body), body.request if isinstance(body, Answer) else 0)
        self._kept.pop(key, None)
        if isinstance(body, Told):
            self._kept.pop((Alive, 0), None)
        if sum(kind is Answer for kind, _ in self._kept) < ANSWERS:
            self._kept[key] = body
        self._attend()
        self._send_kept()
        self._notice()

    def receive(self, timeout_s: float) -> list[OfHead]:
        """Return what the head said; waits for the first message for at most `timeout_s`, or for a connection."""
        until_s = time.monotonic() + timeout_s
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._more)
        was_greeted = self._is_greeted
        while True:
            self._attend()
            self._send_kept()
            found = self._heard()
            left_s = until_s - time.monotonic()
            if found or left_s <= 0 or (was_greeted and not self._is_greeted):
                self._notice()
                return found
            self._epoll.poll(min(left_s, PAUSE_S))

    def has_reconnected(self) -> bool:
        """Tell whether a Hello has to be said: on a new connection, and again if it was not answered in time."""
        self._attend()
        if not self._is_connected:
            return False
        is_late = not self._has_heard and time.monotonic() - self._greeted_s >= GREET_AGAIN_S
        return not self._is_greeted or is_late

    def is_head_gone(self) -> bool:
        """Tell whether nobody listens any more where the head did: twice refused, a second apart.

        No answer, an unreachable network and a stranger who answers prove nothing. Asks at most once a second, and
        then waits for at most half of one.
        """
        self._attend()
        if self._is_connected or self._worked is None:
            return False
        now_s = time.monotonic()
        if now_s - self._knocked_s >= KNOCK_S:
            self._knocked_s = now_s
            self._refusals = self._refusals + 1 if knock(self._worked) is Reached.REFUSED else 0
        return self._refusals >= REFUSALS

    def close(self, linger_s: float = 1.0) -> None:
        """Send what is still to be sent, for at most `linger_s`, and leave nothing behind."""
        if self._epoll.closed:
            return
        self._send_kept()
        self._hang_up(int(linger_s * 1000))
        self._context.term()
        self._epoll.close()
        os.close(self._more)

    # the connection

    def _call(self, address: str) -> None:
        import zmq

        self._address, self._called_s = address, time.monotonic()
        self._is_connected = self._is_greeted = self._has_heard = False
        self._greeted_s = 0.0
        link = self._link = self._context.socket(zmq.DEALER)
        options = (zmq.CURVE_SERVERKEY, zmq.CURVE_PUBLICKEY, zmq.CURVE_SECRETKEY)
        for option, key in zip(options, self._keys, strict=True):
            link.set(option, key)
        link.set(zmq.IMMEDIATE, 1)  # queue for a connection that stands, not for one that may come
        link.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        link.set(zmq.RECONNECT_IVL_MAX, RECONNECT_AT_MOST_MS)
        link.set(zmq.IPV6, int("[" in address))
        prepare(link)
        self._events = link.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED
            | zmq.EVENT_DISCONNECTED
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH
        )
        self._descriptors = (int(link.get(zmq.FD)), int(self._events.get(zmq.FD)))
        for descriptor in self._descriptors:
            self._epoll.register(descriptor, select.EPOLLIN)
        link.connect(f"tcp://{address}")

    def _hang_up(self, linger_ms: int) -> None:
        for descriptor in self._descriptors:
            self._epoll.unregister(descriptor)
        self._link.disable_monitor()
        self._events.close(linger=0)
        self._link.close(linger=linger_ms)

    def _attend(self) -> None:
        """Take in what became of the connection; without one for too long, call the head's next address."""
        import zmq

        has_failed = False
        while True:
            try:
                frames = self._events.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            event = event_of(frames)
            self._is_greeted = self._has_heard = False
            self._is_connected = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
            has_failed |= event not in (zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_DISCONNECTED)
        if self._is_connected:
            self._worked, self._refusals, self._called_s = self._address, 0, time.monotonic()
            return
        waited_s = time.monotonic() - self._called_s
        is_wrong = has_failed and self._worked is None and waited_s * 1000 >= RECONNECT_MS
        if len(self._addresses) > 1 and (is_wrong or waited_s >= RETRY_S):
            self._hang_up(0)
            self._call(self._addresses[(self._addresses.index(self._address) + 1) % len(self._addresses)])

    # what is said

    def _send_kept(self) -> None:
        """Send what is kept as far as the connection takes it: a Hello first, nothing else before it."""
        if not self._is_connected:
            return
        for key in sorted(self._kept, key=lambda each: each[0] is not Hello):
            is_hello = key[0] is Hello
            if not (is_hello or self._is_greeted) or not self._is_sent(self._kept[key]):
                return
            del self._kept[key]
            if is_hello:
                self._is_greeted, self._has_heard, self._greeted_s = True, False, time.monotonic()

    def _is_sent(self, body: OfObserver) -> bool:
        import zmq

        data = closed(Envelope(self._job, self._host, self._incarnation, next(self._numbers), body))
        if len(data) > LIMIT:
            return True  # the head would cut the connection: it is not said, now or later
        try:
            self._link.send(data, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def _heard(self) -> list[OfHead]:
        import zmq

        found: list[OfHead] = []
        while len(found) < QUEUE:
            try:
                frames = self._link.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            self._has_heard = True
            if frames != [b""]:  # empty: the head asks only whether the connection stands
                found.extend(self._checked(frames))
        return found

    def _checked(self, frames: list[bytes]) -> list[OfHead]:
        """Return what the head says in a message; nothing if it is not what it should be."""
        with contextlib.suppress(NoMessage):
            if len(frames) == 1 and len(frames[0]) <= LIMIT:
                envelope = opened(frames[0])
                incarnation, number = self._of_head
                is_new = envelope.incarnation != incarnation or envelope.number > number
                if envelope.job == self._job and is_new and isinstance(envelope.body, OF_HEAD):
                    self._of_head = (envelope.incarnation, envelope.number)
                    return [envelope.body]
        self.malformed += 1
        return []

    def _notice(self) -> None:
        """Keep `fileno` readable while libzmq has something: its own descriptors tell of each event only once."""
        import zmq

        if (self._link.get(zmq.EVENTS) | self._events.get(zmq.EVENTS)) & zmq.POLLIN:
            os.eventfd_write(self._more, 1)
