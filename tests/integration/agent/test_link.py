"""The link between observers and the head, over real sockets: who gets through, who does not, and what breaks."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hangprobe.agent.link import line as line_module
from hangprobe.agent.link import wire
from hangprobe.agent.link.head import Head
from hangprobe.agent.link.keys import Keys, make_keys
from hangprobe.agent.link.line import Line
from hangprobe.agent.link.messages import (
    LIMIT,
    Alive,
    Answer,
    Envelope,
    LookAgain,
    OfObserver,
    Welcome,
    closed,
)
from tests.integration.agent.wires import HELLO, JOB, Client, Wire, a_head, a_line, clients, descriptors, until

pytestmark = pytest.mark.integration

WELCOME = Welcome(0.1, 3.0, True)
SECRET = "ranks-1-to-3-are-hung"
HEAD_PROGRAM = """
import json, sys
from hangprobe.agent.link import wire
from hangprobe.agent.link.head import Head
from hangprobe.agent.link.keys import Keys
head = Head({job!r}, Keys(*json.loads(sys.stdin.readline())))
print(head.port, flush=True)
sys.stdin.readline()
"""


def received(head: Head, line: Line | None = None, wanted: int = 1) -> list[OfObserver]:
    """Return what the head gets, once it is at least so much; a line is attended to meanwhile."""
    found: list[OfObserver] = []

    def is_enough() -> bool:
        if line is not None:
            line.receive(0.01)
        found.extend(body for _, body in head.receive())
        return len(found) >= wanted

    until(is_enough)
    return found


def is_working(head: Head, keys: Keys) -> bool:
    """Tell whether an honest observer still gets through."""
    with a_line(keys, head.port, "honest") as line:
        line.send(HELLO)
        return HELLO in received(head, line)


@contextmanager
def a_head_process(keys: Keys) -> Iterator[tuple[subprocess.Popen[str], int]]:
    root = Path(__file__).parents[3]
    program = HEAD_PROGRAM.format(job=JOB)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(list(keys)) + "\n")
            process.stdin.flush()
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def test_what_is_said_arrives_on_both_sides() -> None:
    with a_head() as (head, keys), a_line(keys, head.port) as line:
        line.send(HELLO)
        line.send(Alive())
        assert received(head, line, 2) == [HELLO, Alive()]
        assert not line.has_reconnected()
        line.send(Answer(3, None, ("7 cat (D)",)))
        until(lambda: select.select([head], [], [], 1.0)[0])
        (((peer, body),),) = (head.receive(),)
        assert (peer.host, body) == ("node01", Answer(3, None, ("7 cat (D)",)))
        head.send(peer, WELCOME)
        head.send(peer, LookAgain(4))
        heard = until(lambda: select.select([line], [], [], 1.0)[0] and line.receive(0.0))
        assert [*heard, *line.receive(0.2)][:2] == [WELCOME, LookAgain(4)]
        assert (str(head.counts), line.malformed) == ("keyless 1", 0)  # the line looked whether the address answers


def test_the_foremost_address_at_which_this_head_listens_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HANDSHAKE_S", 0.5)  # until a port that takes connections and says nothing is given up
    with a_head() as (head, keys), socket.create_server(("127.0.0.1", 0)) as mute, a_head() as (other, _):
        nobody = socket.create_server(("127.0.0.1", 0))
        ports = [nobody.getsockname()[1], other.port, mute.getsockname()[1], head.port]
        nobody.close()
        addresses = [f"127.0.0.1:{port}" for port in ports]
        line = Line(addresses, keys.server_public, keys.client_public, keys.client_secret, JOB, "node01")
        line.send(HELLO)
        try:
            assert received(head, line) == [HELLO]
        finally:
            line.close(0.0)


def test_a_stranger_without_the_key_gets_nothing_in_and_nothing_out() -> None:
    with a_head() as (head, keys), clients() as connect:
        own_pair = make_keys()
        for stranger in (
            keys._replace(client_public=own_pair.client_public, client_secret=own_pair.client_secret),
            None,
        ):
            client = connect(head.port, stranger)
            client.say(HELLO)
            until(lambda: head.counts.refused >= 1)
            assert client.link.poll(300) == 0
        assert is_working(head, keys)
        assert head.receive() == []


def test_a_client_that_expects_another_head_tells_it_nothing() -> None:
    with a_head() as (head, keys):
        other = make_keys()
        with a_line(keys._replace(server_public=other.server_public), head.port) as line:
            line.send(HELLO)
            until(lambda: line.receive(0.02) or head.counts.refused >= 1)
            assert not line.is_connected
            assert head.receive() == []


def test_who_listens_on_the_wire_reads_nothing() -> None:
    with a_head() as (head, keys):
        wire = Wire(head.port)
        try:
            with a_line(keys, wire.port, SECRET) as line:
                line.send(HELLO)
                line.send(Answer(1, None, (SECRET * 50,)))
                assert len(received(head, line, 2)) == 2
                assert len(wire.passed) > len(SECRET) * 50
                assert SECRET.encode() not in wire.passed
                assert JOB.encode() not in wire.passed
        finally:
            wire.close()


def test_what_is_no_message_is_dropped_and_counted() -> None:
    with a_head() as (head, keys), clients() as connect:
        client = connect(head.port, keys)
        client.say(HELLO)
        assert received(head) == [HELLO]
        again = client.envelope(Alive())
        for frames in (
            (b"\x91" * 100_000,),
            (b"",),
            (again, again),
            (again,),
            (again,),
            (client.envelope(Alive(), 1),),
        ):
            client.send(*frames)
        client.send(closed(Envelope("another-job", *_names(client), 99, Alive())))
        client.send(closed(Envelope(JOB, *_names(client), 99, LookAgain(1))))
        client.send(b"\xc1" * (LIMIT + 1))
        until(lambda: head.counts.oversized)
        assert str(head.counts) == "malformed 4, foreign 1, replayed 2, oversized 1"
        assert [body for _, body in head.receive()] == [Alive()]
        assert is_working(head, keys)


def _names(client: Client) -> tuple[str, str]:
    return client.peer.host, client.peer.incarnation


def test_a_message_that_is_much_too_long_is_cut_off_on_the_wire() -> None:
    with a_head() as (head, keys), clients() as connect:
        client = connect(head.port, keys)
        client.send(b"x" * (2 * LIMIT))
        client.say(HELLO)  # by the connection that libzmq makes anew
        assert received(head) == [HELLO]


def test_nobody_speaks_for_a_peer_or_hears_what_it_is_told() -> None:
    with a_head() as (head, keys), clients() as connect:
        client, thief = connect(head.port, keys), connect(head.port, keys)
        client.say(HELLO)
        assert received(head) == [HELLO]
        thief.peer = client.peer
        thief.send(thief.envelope(HELLO, 1000))
        thief.send(thief.envelope(Alive(), 1001))
        until(lambda: head.counts.hijacked == 2)
        head.send(client.peer, WELCOME)
        assert client.link.recv_multipart() == [b""]  # the question whether it still stands
        assert client.link.poll(5000)
        assert thief.link.poll(200) == 0
        client.say(Alive())
        assert received(head) == [Alive()]


def test_a_line_that_was_cut_comes_back_and_only_after_a_hello() -> None:
    with a_head() as (head, keys):
        wire = Wire(head.port)
        try:
            with a_line(keys, wire.port) as line:
                line.send(HELLO)
                received(head, line)
                wire.cut()
                until(lambda: line.receive(0.02) or not line.is_connected)
                line.send(Alive())
                until(lambda: line.receive(0.02) or line.has_reconnected())
                assert head.receive() == []
                line.send(HELLO)
                assert received(head, line, 2) == [HELLO, Alive()]
                assert not line.has_reconnected()
                assert not line.is_head_gone()
                assert head.counts.hijacked == 0
        finally:
            wire.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a line that gives up a silent connection, and asks whether anybody listens, in less time than a user's."""
    monkeypatch.setattr(wire, "HEARTBEAT_S", 0.5)
    monkeypatch.setattr(wire, "SILENCE_S", 2.0)
    monkeypatch.setattr(line_module, "KNOCK_S", 0.3)


@pytest.mark.usefixtures("impatient")
def test_a_wire_that_passes_nothing_and_says_nothing_is_given_up_and_used_again() -> None:
    with a_head() as (head, keys):
        wire = Wire(head.port)
        try:
            with a_line(keys, wire.port) as line:
                line.send(HELLO)
                received(head, line)
                wire.hold()
                until(lambda: line.receive(0.1) or not line.is_connected, 30.0)
                assert not line.is_head_gone()
                wire.release()
                until(lambda: line.receive(0.1) or line.has_reconnected(), 30.0)
                line.send(HELLO)
                assert HELLO in received(head, line)
        finally:
            wire.close()


@pytest.mark.usefixtures("impatient")
def test_a_head_that_ended_is_gone_and_one_that_is_stopped_is_not() -> None:
    keys = make_keys()
    with a_head_process(keys) as (process, port), a_line(keys, port) as line:
        line.send(HELLO)
        until(lambda: line.receive(0.02) or line.is_connected)
        process.send_signal(signal.SIGSTOP)
        asked = [line.is_head_gone() for _ in range(5) if line.receive(0.3) is not None]
        assert asked == [False] * 5
        until(lambda: line.receive(0.1) or not line.is_connected, 30.0)  # its heart does not beat
        asked = [line.is_head_gone() for _ in range(6) if line.receive(0.3) is not None]
        assert asked == [False] * 6
        process.kill()
        process.wait()
        until(lambda: line.receive(0.1) or line.is_head_gone())


def test_a_head_that_never_answered_is_not_gone() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    with a_line(make_keys(), port) as line:
        assert [line.is_head_gone() for _ in range(8) if line.receive(0.3) is not None] == [False] * 8


def test_another_head_on_the_same_port_is_no_head_and_no_proof() -> None:
    keys = make_keys()
    with a_head_process(keys) as (process, port), a_line(keys, port) as line:
        line.send(HELLO)
        until(lambda: line.receive(0.02) or line.is_connected)
        process.kill()
        process.wait()
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", port))
            other.listen()
            until(lambda: line.receive(0.02) or not line.is_connected)
            assert [line.is_head_gone() for _ in range(8) if line.receive(0.3) is not None] == [False] * 8


def test_while_nobody_listens_only_the_newest_is_kept() -> None:
    with a_head() as (head, keys):
        wire = Wire(head.port)
        try:
            wire.hold()
            with a_line(keys, wire.port) as line:
                for request in (1, 2):
                    line.send(Answer(request))
                for _ in range(1000):
                    line.send(Alive())
                line.send(HELLO)
                wire.release()
                assert received(head, line, 4) == [HELLO, Answer(1), Answer(2), Alive()]
        finally:
            wire.close()


def test_the_head_serves_a_thousand_nodes() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 8192:
        pytest.skip("needs 8,192 descriptors in one process")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 8192), hard))
    try:
        with a_head() as (head, keys), clients() as connect:
            nodes = [connect(head.port, keys, f"node{number:04}") for number in range(1000)]
            for node in nodes:
                node.say(HELLO)
            heard: dict[object, OfObserver] = {}
            until(lambda: heard.update(head.receive()) or len(heard) == len(nodes), 60.0)
            for peer in list(heard):
                head.send(peer, WELCOME)  # type: ignore[arg-type]
            assert all(node.link.poll(10_000) for node in nodes)
            assert str(head.counts) == ""
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    "words",
    [
        None,
        b"",
        b"\x00" * 64,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        bytes.fromhex("16030100f8010000f40303") + b"\x5a" * 240,
        b"\xff"
        + b"\x00" * 8
        + b"\x7f\x03\x00CURVE"
        + b"\x00" * 15
        + b"\x00" * 32
        + b"\x04\x00\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xff" + b"\x00" * 8 + b"\x7f\x03\x00NULL" + b"\x00" * 16 + b"\x00" * 32,
        os.urandom(4096),
    ],
    ids=["open and close", "half open", "zeros", "HTTP", "SSH", "TLS", "huge frame", "no security", "noise"],
)
def test_whoever_knocks_at_the_port_disturbs_nobody(words: bytes | None) -> None:
    with a_head() as (head, keys), a_line(keys, head.port) as line:
        line.send(HELLO)
        received(head, line)
        callers = [socket.create_connection(("127.0.0.1", head.port)) for _ in range(50)]
        for caller in callers:
            if words is None:
                caller.close()
            else:
                caller.sendall(words)
        line.send(Alive())
        assert received(head, line) == [Alive()]
        until(lambda: head.counts.keyless + head.counts.refused >= 50)
        assert is_working(head, keys)
        for caller in callers:
            caller.close()


def test_a_flood_does_not_keep_others_out() -> None:
    with a_head() as (head, keys), clients() as connect:
        flooder = connect(head.port, keys, "node66")
        flooder.say(HELLO)
        ended = threading.Event()

        def flood() -> None:
            while not ended.is_set():
                flooder.say(Alive())

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            until(lambda: head.counts.flooding > 1000)
            assert is_working(head, keys)
        finally:
            ended.set()
            thread.join()


def test_nothing_is_left_and_nothing_is_handed_on() -> None:
    before, threads = descriptors(), set(os.listdir("/proc/self/task"))
    with a_head() as (head, keys), a_line(keys, head.port) as line:
        line.send(HELLO)
        received(head, line)
        opened = descriptors().keys() - before.keys()
        assert opened
        assert [name for name in opened if os.get_inheritable(int(name))] == []
        started = set(os.listdir("/proc/self/task")) - threads
        assert len(started) >= 3
        assert {_blocked(thread) for thread in started} == {_all_signals()}
    assert descriptors() == before
    until(lambda: set(os.listdir("/proc/self/task")) == threads)


def _blocked(thread: str) -> frozenset[int]:
    lines = Path(f"/proc/self/task/{thread}/status").read_text().splitlines()
    mask = int(next(line.split()[1] for line in lines if line.startswith("SigBlk")), 16)
    return frozenset(number for number in range(1, 65) if mask >> (number - 1) & 1)


def _all_signals() -> frozenset[int]:
    """All that can be blocked; 32 and 33 are the C library's own."""
    return frozenset(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}
