"""The head's end of the link: takes what the observers of the job say, from a network on which anybody may call.

One thread does all work with sockets, so that no flood can slow the caller: it also answers libzmq's question whether
a key may come in (ZAP, RFC 27) and blocks all signals first, as libzmq's own threads do. Who does not have the key of
this job gets no further than the CURVE handshake; what comes from those who have it goes through `admission`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import threading
import time
from collections import deque
from itertools import count
from typing import Any

from hangprobe.agent.link.addresses import endpoint, own_addresses
from hangprobe.agent.link.admission import PEERS, Admission, Counts, Peer
from hangprobe.agent.link.keys import Keys
from hangprobe.agent.link.messages import LIMIT, Envelope, OfHead, OfObserver, closed
from hangprobe.agent.link.wire import event_of, prepare

BACKLOG = 4096
BATCH = 256
BATCH_S = 0.02
"""Messages, and seconds, between two looks at everything else."""
FLOOD_PAUSE = 10.0
"""After a batch with a flood in it nothing is read for so many times its duration: the flood has 9 % of a core."""
OUTBOX = 4 * PEERS


class Head:
    """Where the observers of one job call; everything but `close` returns at once."""

    def __init__(self, job: str, keys: Keys) -> None:
        """Begin to listen on a free port."""
        import zmq
        from zmq.utils import z85

        self._job, self._incarnation, self._host = job, secrets.token_hex(16), socket.gethostname()
        self._numbers = count(1)
        self._outbox: deque[tuple[Peer, bytes]] = deque()
        self._is_closing = False
        self._context = zmq.Context()
        self._router, self._zap, self._monitor = _sockets(self._context, keys)
        self.port = self._router.bind_to_random_port("tcp://*")
        self.addresses = tuple(endpoint(address, self.port) for address in own_addresses())
        """Where it can be reached, as `address:port`."""
        self._client_key = z85.decode(keys.client_public)
        self._admission = Admission(job, self._is_alive)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._news = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._paused_until_s = 0.0
        self._thread = threading.Thread(target=self._serve, daemon=True, name="hangprobe-head")
        self._thread.start()

    @property
    def counts(self) -> Counts:
        """What was not taken in, so far."""
        return self._admission.counts

    def fileno(self) -> int:
        """Readable while there is something to receive."""
        return self._news

    def receive(self) -> list[tuple[Peer, OfObserver]]:
        """Return what came since the last time, in order; of a peer that tells again and again only the newest."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._news)
        was_full = not self._admission.has_room()
        taken = self._admission.take()
        if was_full:
            os.eventfd_write(self._wake, 1)
        return taken

    def send(self, peer: Peer, body: OfHead) -> None:
        """Say something to a peer; if it cannot be reached that is counted and forgotten."""
        data = closed(Envelope(self._job, self._host, self._incarnation, next(self._numbers), body))
        if len(self._outbox) >= OUTBOX or len(data) > LIMIT:
            self.counts.undelivered += 1
            return
        self._outbox.append((peer, data))
        os.eventfd_write(self._wake, 1)

    def last_heard_s(self, peer: Peer) -> float | None:
        """Return the monotonic time of the last message of a peer; None if it was never heard."""
        return self._admission.last_heard_s(peer)

    def close(self) -> None:
        """Stop listening, drop what is under way, and return when the thread has ended: some milliseconds."""
        if self._is_closing:
            return
        self._is_closing = True
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._context.term()
        os.close(self._wake)
        os.close(self._news)

    # what follows runs in the thread

    def _serve(self) -> None:
        # A signal to the process must not find a thread that has it unblocked: the relay reads them all.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        import zmq

        poller = zmq.Poller()
        for each in (self._zap, self._monitor, self._wake):
            poller.register(each, zmq.POLLIN)
        try:
            while not self._is_closing:
                pause_s = max(0.0, self._paused_until_s - time.monotonic())
                is_open = pause_s == 0.0 and self._admission.has_room()
                if is_open:
                    poller.register(self._router, zmq.POLLIN)
                elif self._router in poller:
                    poller.unregister(self._router)
                ready = dict(poller.poll(None if pause_s == 0.0 else max(1, int(pause_s * 1000))))
                self._attend(ready)
        finally:
            self._router.disable_monitor()
            for each in (self._monitor, self._router, self._zap):
                each.close(linger=0)

    def _attend(self, ready: dict[Any, int]) -> None:
        if self._zap in ready:
            self._answer_about_keys()
        if self._monitor in ready:
            self._count_connections()
        if self._wake in ready:
            os.eventfd_read(self._wake)
            self._send_all()
        if self._router in ready:
            self._let_in_all()

    def _answer_about_keys(self) -> None:
        """Answer libzmq whether a key may come in: only the one of this job."""
        for frames in _waiting(self._zap):
            asker, _, version, request, *_, key = frames
            is_ours = frames[7] == b"CURVE" and len(frames) == 9 and secrets.compare_digest(key, self._client_key)
            status = b"200" if is_ours else b"400"
            self._zap.send_multipart([asker, b"", version, request, status, b"", b"", b""])

    def _count_connections(self) -> None:
        import zmq

        for frames in _waiting(self._monitor):
            event = event_of(frames)
            self.counts.keyless += 1 if event == zmq.EVENT_ACCEPTED else -1  # until it is known to be something else
            self.counts.refused += event in (zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_AUTH)

    def _let_in_all(self) -> None:
        began_s, before = time.monotonic(), self.counts.flooding
        is_news = False
        for route, *frames in _waiting(self._router):
            is_news |= self._admission.let_in(route, frames)
            if not self._admission.has_room() or time.monotonic() - began_s > BATCH_S:
                break
        if is_news:
            os.eventfd_write(self._news, 1)
        if self.counts.flooding > before:
            now_s = time.monotonic()
            self._paused_until_s = now_s + FLOOD_PAUSE * (now_s - began_s)

    def _send_all(self) -> None:
        while self._outbox:
            peer, data = self._outbox.popleft()
            route = self._admission.route_of(peer)
            if route is None or not self._is_sent(route, data):
                self.counts.undelivered += 1

    def _is_alive(self, route: bytes) -> bool:
        """Tell whether a connection stands; an empty message asks nothing of the observer."""
        import zmq

        try:
            self._router.send_multipart([route, b""], zmq.NOBLOCK)
        except zmq.Again:
            return True
        except zmq.ZMQError:  # ZMQ_ROUTER_MANDATORY: EHOSTUNREACH
            return False
        return True

    def _is_sent(self, route: bytes, data: bytes) -> bool:
        import zmq

        try:
            self._router.send_multipart([route, data], zmq.NOBLOCK)
        except zmq.ZMQError:  # EHOSTUNREACH: gone; EAGAIN: takes nothing any more
            return False
        return True


def _sockets(context: Any, keys: Keys) -> tuple[Any, Any, Any]:
    """Return the socket for the observers, the one on which libzmq asks about keys, and the one that tells events."""
    import zmq

    zap = context.socket(zmq.ROUTER)
    zap.bind("inproc://zeromq.zap.01")  # first: without it a handshake would find nobody to ask
    router = context.socket(zmq.ROUTER)
    router.set(zmq.CURVE_SERVER, 1)
    router.set(zmq.CURVE_SECRETKEY, keys.server_secret.encode())
    router.set(zmq.ZAP_DOMAIN, b"hangprobe")
    router.set(zmq.ZAP_ENFORCE_DOMAIN, 1)
    router.set(zmq.ROUTER_MANDATORY, 1)
    router.set(zmq.BACKLOG, BACKLOG)
    router.set(zmq.LINGER, 0)
    prepare(router)
    router.set(zmq.IPV6, int(any(":" in address and address != "::1" for address in own_addresses())))
    known = zmq.EVENT_ACCEPTED | zmq.EVENT_HANDSHAKE_SUCCEEDED
    monitor = router.get_monitor_socket(known | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH)
    return router, zap, monitor


def _waiting(link: Any) -> Any:
    """Yield what waits in a socket, at most a batch."""
    import zmq

    for _ in range(BATCH):
        try:
            yield link.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return
