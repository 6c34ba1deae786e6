"""Whatever comes over the wire becomes an envelope or NoMessage, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.agent.link.messages import Alive, Answer, End, Envelope, Hello, NoMessage, Welcome, closed, opened

ALIVE = b"\x81\xa4type\xa5Alive"
HEAD = b"\x95\xa1j\xa1h\xa1i\x01"


def packed(*values: Any) -> bytes:
    return msgspec.msgpack.encode(values)


@pytest.mark.parametrize("body", [Hello(4711, 99), Alive(), Answer(3, None, ("7 cat (D)",)), Welcome(0.1, 3.0, True)])
def test_what_is_closed_can_be_opened(body: Any) -> None:
    envelope = Envelope("job", "node01", "a" * 32, 7, body)
    assert opened(closed(envelope)) == envelope


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x91" * 1_000_000, id="a million arrays deep"),
        pytest.param(
            b"\x95\xa1j\xa1h\xa1i\x01\x82\xa1x" + b"\x91" * 100_000 + b"\x01\xa4type\xa5Alive", id="deep, unread"
        ),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="four billion elements announced"),
        pytest.param(HEAD + b"\x83\xa4type\xa6Answer\xa7request\x01\xa4left\xdd\xff\xff\xff\xff", id="and inside"),
        pytest.param(b"\x95\xdb\xff\xff\xff\xff", id="text of 4 GiB announced"),
        pytest.param(HEAD + ALIVE + b"x", id="bytes after the end"),
        pytest.param(b"\x96\xa1j\xa1h\xa1i\x01" + ALIVE + b"\x01", id="a field too many"),
        pytest.param(b"\x95\xa1\xff\xa1h\xa1i\x01" + ALIVE, id="no UTF-8"),
        pytest.param(packed("j", "h", "i", -1, {"type": "Alive"}), id="a negative number"),
        pytest.param(packed("j", "h", "i", 0, {"type": "Alive"}), id="number zero"),
        pytest.param(packed("j", "h", "i", 2**64 - 1, {"type": "Alive"}), id="a number beyond 63 bits"),
        pytest.param(packed("j", "h", "i", True, {"type": "Alive"}), id="a truth for a number"),
        pytest.param(packed("j", "h", "i", 1.0, {"type": "Hello"}), id="a fraction for a number"),
        pytest.param(packed("j", "h", "i", 1, {"type": "Exec"}), id="an unknown word"),
        pytest.param(packed("j", "h", "i", 1, {"type": "Hello", "pid": 1}), id="a field missing"),
        pytest.param(packed("j", "h", "i", 1, {"type": "Hello", "pid": -1, "start_time": 1}), id="a negative pid"),
        pytest.param(packed("j", "", "i", 1, {"type": "Alive"}), id="no host"),
        pytest.param(packed("j", "h" * 256, "i", 1, {"type": "Alive"}), id="a host too long"),
        pytest.param(packed("j", "h", "i", 1, {"type": "End", "request": 1, "term_s": math.nan}), id="not a number"),
        pytest.param(packed("j", "h", "i", 1, {"type": "End", "request": 1, "term_s": math.inf}), id="for ever"),
    ],
)
def test_what_is_no_message_is_told_so(data: bytes) -> None:
    with pytest.raises(NoMessage):
        opened(data)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_none(data: bytes) -> None:
    _open_or_refuse(data)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from(["Hello", "Told", "Alive", "Answer", "Welcome", "LookAgain", "NameVictims", "End", "x"])
FIELDS = st.sampled_from(["pid", "start_time", "protocol", "digest", "request", "left", "term_s", "starters", "x"])


@given(st.lists(VALUES, max_size=4), WORDS, st.dictionaries(FIELDS, VALUES, max_size=5))
def test_any_values_are_a_message_or_none(front: list[Any], word: str, details: dict[str, Any]) -> None:
    _open_or_refuse(msgspec.msgpack.encode([*front, {"type": word, **details}]))


@given(st.data())
def test_a_message_with_a_wrong_byte_is_another_message_or_none(data: st.DataObject) -> None:
    good = bytearray(closed(Envelope("job", "node01", "a" * 32, 7, End(3, 0.5))))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    _open_or_refuse(bytes(good))


def _open_or_refuse(data: bytes) -> None:
    try:
        envelope = opened(data)
    except NoMessage:
        return
    assert opened(closed(envelope)) == envelope
    assert envelope.number >= 1
