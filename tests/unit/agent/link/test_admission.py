"""Who may say what, how much of it is taken in, and how much is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from hangprobe.agent.link import admission
from hangprobe.agent.link.admission import ANSWERS, BURST, BURST_BYTES, FORGET_S, RATE, Admission, Counts, Peer
from hangprobe.agent.link.messages import LIMIT, Alive, Answer, Envelope, Hello, LookAgain, OfHead, OfObserver, closed

NODE = Peer("node01", "aa")
HELLO = Hello(10, 20)


@dataclass
class Entrance:
    """An admission with a clock that is set by hand, and connections that live until they are said to be dead."""

    now_s: float = 1000.0
    dead: set[bytes] = field(default_factory=set)
    inside: Admission = field(init=False)

    def __post_init__(self) -> None:
        self.inside = Admission("job", lambda route: route not in self.dead, lambda: self.now_s)

    def say(
        self, number: int, body: OfObserver | OfHead, *, route: bytes = b"r1", peer: Peer = NODE, job: str = "job"
    ) -> bool:
        envelope = Envelope(job, peer.host, peer.incarnation, number, body)
        return self.inside.let_in(route, [closed(envelope)])

    @property
    def counted(self) -> str:
        return str(self.inside.counts)


def test_what_a_peer_says_is_taken_once_and_in_order() -> None:
    entrance = Entrance()
    assert entrance.say(1, HELLO)
    assert entrance.say(2, Alive())
    assert entrance.inside.take() == [(NODE, HELLO), (NODE, Alive())]
    assert entrance.inside.take() == []
    assert entrance.counted == ""


def test_of_what_is_said_again_only_the_newest_is_kept_but_every_answer() -> None:
    entrance = Entrance()
    said: list[OfObserver] = [HELLO, Answer(1), Alive(), Answer(2), Alive()]
    for number, body in enumerate(said, start=1):
        assert entrance.say(number, body)
    assert [body for _, body in entrance.inside.take()] == [HELLO, Answer(1), Answer(2), Alive()]


@pytest.mark.parametrize("number", [1, 2])
def test_a_number_that_is_not_younger_is_a_replay(number: int) -> None:
    entrance = Entrance()
    entrance.say(2, HELLO)
    assert not entrance.say(number, Alive())
    assert entrance.counted == "replayed 1"


def test_another_incarnation_counts_anew() -> None:
    entrance = Entrance()
    entrance.say(9, HELLO)
    assert entrance.say(1, HELLO, route=b"r2", peer=Peer("node01", "bb"))


@pytest.mark.parametrize(
    ("say", "reason"),
    [
        (lambda e: e.say(2, Alive(), job="other"), "foreign 1"),
        (lambda e: e.say(2, Hello(1, 1, protocol=99)), "foreign 1"),
        (lambda e: e.say(2, LookAgain(1)), "malformed 1"),
        (lambda e: e.inside.let_in(b"r1", [b"\x91" * 1000]), "malformed 1"),
        (lambda e: e.inside.let_in(b"r1", [closed(Envelope("job", "node01", "aa", 2, Alive())), b""]), "malformed 1"),
        (lambda e: e.inside.let_in(b"r1", []), "malformed 1"),
        (lambda e: e.inside.let_in(b"r1", [b"x" * (LIMIT + 1)]), "oversized 1"),
        (lambda e: e.say(2, Alive(), route=b"r2"), "hijacked 1"),
        (lambda e: e.say(2, HELLO, route=b"r2"), "hijacked 1"),
        (lambda e: e.say(2, HELLO, peer=Peer("node02", "bb")), "hijacked 1"),
        (lambda e: e.say(2, Alive(), peer=Peer("node02", "bb"), route=b"r2"), "hijacked 1"),
    ],
    ids=["job", "protocol", "the head's", "bytes", "frames", "nothing", "long", "stolen", "again", "two", "no hello"],
)
def test_what_may_not_come_in_is_counted_and_changes_nothing(say: Callable[[Entrance], bool], reason: str) -> None:
    entrance = Entrance()
    entrance.say(1, HELLO)
    entrance.inside.take()
    assert not say(entrance)
    assert entrance.counted == reason
    assert entrance.inside.take() == []
    assert entrance.inside.route_of(NODE) == b"r1"
    assert entrance.say(2, Alive())


def test_a_peer_whose_connection_is_dead_may_come_by_another() -> None:
    entrance = Entrance()
    entrance.say(1, HELLO)
    entrance.dead.add(b"r1")
    assert not entrance.say(2, Alive(), route=b"r2")
    assert entrance.say(3, HELLO, route=b"r2")
    assert entrance.inside.route_of(NODE) == b"r2"
    assert not entrance.say(4, Alive(), route=b"r1")


def test_a_flood_is_counted_and_ends_with_the_flood() -> None:
    entrance = Entrance()
    said = [entrance.say(number, HELLO if number == 1 else Alive()) for number in range(1, int(BURST) + 101)]
    assert said.count(True) == BURST
    assert entrance.counted == "flooding 100"
    assert entrance.say(1, HELLO, route=b"r2", peer=Peer("node02", "bb"))
    entrance.now_s += 1.0
    assert [entrance.say(number, Alive()) for number in range(1000, 1100)].count(True) == RATE


def test_a_flood_of_bytes_is_a_flood() -> None:
    entrance = Entrance()
    large = int(BURST_BYTES) // 4
    assert [entrance.inside.let_in(b"r1", [b"x" * large]) for _ in range(6)] == [False] * 6
    assert (entrance.inside.counts.flooding, entrance.inside.counts.malformed) == (2, 4)


def test_answers_that_nobody_asked_for_do_not_pile_up() -> None:
    entrance = Entrance()
    entrance.say(1, HELLO)
    assert [entrance.say(2 + request, Answer(request)) for request in range(ANSWERS + 5)].count(True) == ANSWERS
    entrance.inside.take()
    assert entrance.say(100, Answer(0))


def test_there_is_room_for_so_many_peers_and_for_new_ones_when_some_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PEERS", 3)
    entrance = Entrance()
    came = [entrance.say(1, HELLO, route=b"%d" % n, peer=Peer(f"node{n}", "aa")) for n in range(4)]
    assert came == [True, True, True, False]
    assert entrance.counted == "crowded 1"
    entrance.now_s += FORGET_S
    assert entrance.say(1, HELLO, route=b"9", peer=Peer("node9", "aa"))


def test_what_is_kept_is_bounded_and_taking_it_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "KEPT_BYTES", 60)
    entrance = Entrance()
    entrance.say(1, HELLO)
    assert not entrance.inside.has_room() or entrance.say(2, Alive())
    assert not entrance.inside.has_room()
    entrance.inside.take()
    assert entrance.inside.has_room()


def test_the_same_said_again_and_again_takes_no_more_room() -> None:
    entrance = Entrance()
    entrance.say(100, HELLO)
    entrance.say(101, Alive())
    before = entrance.inside.kept_bytes
    for number in range(102, 120):
        entrance.say(number, Alive())
    assert entrance.inside.kept_bytes == before


def test_when_a_peer_was_last_heard_is_known() -> None:
    entrance = Entrance()
    assert entrance.inside.last_heard_s(NODE) is None
    entrance.say(1, HELLO)
    entrance.now_s += 5.0
    entrance.say(1, Alive())
    assert entrance.inside.last_heard_s(NODE) == 1000.0


def test_counts_read_as_those_that_are_not_zero() -> None:
    counts: Any = Counts(malformed=2, flooding=7)
    assert str(counts) == "malformed 2, flooding 7"
