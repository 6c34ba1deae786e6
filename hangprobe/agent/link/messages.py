"""What observers and the head say to each other: MessagePack, each message in an envelope that names its sender.

Whatever came over the wire is hostile until `opened` has returned it: there is one way in, and one error out of it.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hangprobe.digest import Digest
from hangprobe.filewaits import SharedFile
from hangprobe.model import Frozen
from hangprobe.ranksets import check
from hangprobe.record import Look
from hangprobe.starter import Starter

PROTOCOL = 1
LIMIT = 8 * 1024 * 1024
"""Bytes of a message: the digest of a node with a thousand hung ranks takes some hundred KB."""

BESIDE = "#"
"""After the host in the name of an observer that is a rank's parent, one of several on its node; its pid follows."""

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Number = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Request = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Seconds = Annotated[float, Meta(ge=0.0, le=1e9)]
"""NaN and the infinities are outside of the limits."""


class NoMessage(ValueError):
    """What came is not a message of this protocol."""


class Message(Frozen, frozen=True, tag=True):
    """Base of all that is said; the name of the class goes over the wire."""


# what an observer says


class Hello(Message, frozen=True):
    """The first message of an observer."""

    pid: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    start_time: Request
    protocol: int = PROTOCOL


class Told(Message, frozen=True):
    """A digest of the node: sent when something in it has changed."""

    digest: Digest


class Shown(Message, frozen=True):
    """What a hang that was told rests on: goes into the record, so that it can be judged again elsewhere."""

    look: Look


class Alive(Message, frozen=True):
    """Nothing has changed."""


class Answer(Message, frozen=True):
    """The answer to a request."""

    request: Request
    digest: Digest | None = None
    left: tuple[str, ...] = ()
    """After an order to end: `pid name (state)` of what is still there."""


# what the head says


class Welcome(Message, frozen=True):
    """The answer to a hello: how to watch, and which launchers' commands run where the head is."""

    interval_s: Annotated[float, Meta(gt=0.0, le=1e9)]
    stall_after_s: Seconds
    has_stacks: bool
    starters: tuple[Starter, ...] = ()


class LookAgain(Message, frozen=True):
    """Collect twice now and answer with what that shows: the last word before a job is ended."""

    request: Request


class NameVictims(Message, frozen=True):
    """The job hangs: look into ranks that seem to work, and tell which of them wait for others in MPI."""

    request: Request
    hung: str
    """The ranks that are hung, wherever they are: "0,3-7"."""

    def __post_init__(self) -> None:
        """Raise ValueError for what is no set of ranks."""
        check(self.hung)


class FindHolders(Message, frozen=True):
    """Ranks elsewhere wait for locks on these files: tell which processes of the job have one."""

    request: Request
    files: tuple[SharedFile, ...]


class End(Message, frozen=True):
    """End what the job has on the node, check that it is gone, answer, and leave."""

    request: Request
    term_s: Seconds
    """Time between SIGTERM and SIGKILL; 0: SIGKILL at once."""


OfObserver = Hello | Told | Shown | Alive | Answer
OfHead = Welcome | LookAgain | NameVictims | FindHolders | End
OF_OBSERVER = (Hello, Told, Shown, Alive, Answer)
OF_HEAD = (Welcome, LookAgain, NameVictims, FindHolders, End)


class Envelope(Frozen, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Who says something, and as which of its messages."""

    job: Name
    host: Name
    incarnation: Name
    """Random, of one observer process or of the head: another one begins to count anew."""
    number: Number
    """Counts up: a message that is not younger than the last one of its incarnation is a replay."""
    body: Hello | Told | Shown | Alive | Answer | Welcome | LookAgain | NameVictims | FindHolders | End


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Envelope)


def closed(envelope: Envelope) -> bytes:
    """Return an envelope as it goes over the wire."""
    return _ENCODER.encode(envelope)


def opened(data: bytes) -> Envelope:
    """Return the envelope in some bytes of unknown origin; raises NoMessage, and nothing else.

    msgspec allocates nothing for elements that are only announced, and refuses bytes after the end. Its errors are not
    all its own: text that is no UTF-8 is a UnicodeDecodeError, nesting in a field that is skipped a RecursionError.
    """
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError) as error:
        raise NoMessage(f"{type(error).__name__}: {error}") from error
