"""A job's watch at the head without a network: observers that say what a test has them say, and a node of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from hangprobe.agent.joint.jobwatch import JobWatch
from hangprobe.agent.link.admission import Peer
from hangprobe.agent.link.messages import Answer, Hello, OfHead, OfObserver, Told
from hangprobe.digest import Digest
from hangprobe.evidence import Suspects
from hangprobe.model import Launcher, ProcessId, RankView, Verdict
from hangprobe.observe.reader import Reader
from hangprobe.policy import Policy
from hangprobe.record import Writer

HEAD = "login"
Reply = Callable[[OfHead], OfObserver | None]


class Clock:
    """Goes on only when somebody sleeps, or a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, pause_s: float) -> None:
        self.now_s += pause_s


@dataclass
class Observers:
    """The other end of a link: what observers say, what they are told, and how they answer."""

    inbox: list[tuple[Peer, OfObserver]] = field(default_factory=list)
    told: list[tuple[str, OfHead]] = field(default_factory=list)
    replies: dict[str, Reply] = field(default_factory=dict)
    """By host; who has none never answers."""

    def say(self, host: str, *bodies: OfObserver, incarnation: str = "1") -> None:
        self.inbox += [(Peer(host, incarnation), body) for body in bodies]

    def tell(self, *digests: Digest) -> None:
        for digest in digests:
            self.say(str(digest.host), Told(digest))

    def received(self, kind: type) -> list[tuple[str, Any]]:
        return [(host, body) for host, body in self.told if isinstance(body, kind)]

    def receive(self) -> list[tuple[Peer, OfObserver]]:
        taken, self.inbox = self.inbox, []
        return taken

    def send(self, peer: Peer, body: OfHead) -> None:
        self.told.append((peer.host, body))
        reply = self.replies.get(peer.host)
        answer = reply(body) if reply is not None else None
        if answer is not None:
            self.inbox.append((peer, answer))


def confirming(digest: Digest | None) -> Reply:
    """Return an observer that answers every request with a digest."""
    return lambda body: Answer(body.request, digest) if hasattr(body, "request") else None


@dataclass
class Here:
    """The head's own node: as much of a watchdog as a job's watch asks for."""

    reader: Reader
    ranks: tuple[RankView, ...] = ()
    verdict: Verdict = Verdict.OK
    looked: int = 0
    victims_of: list[set[int]] = field(default_factory=list)
    news: bool = False
    written: list[object] = field(default_factory=list)
    host: str = HEAD
    interval_s: float = 0.25
    policy: Policy = field(default_factory=Policy)
    judgement: Any = None
    double: Any = None
    suspects: Suspects = field(default_factory=Suspects)
    findings: tuple[Any, ...] = ()
    detected_after_s: float | None = None
    history: dict[Any, Any] = field(default_factory=dict)
    samples: int = 1
    collects: list[float] = field(default_factory=list)
    contexts: dict[int, Any] = field(default_factory=dict)
    sample: Any = None
    resting: frozenset[int] = frozenset()

    @property
    def methods(self) -> Any:
        return SimpleNamespace(ranks_by_method=dict)

    @property
    def running(self) -> set[int]:
        return {rank.rank for rank in self.ranks}

    @property
    def record(self) -> Writer:
        return cast("Writer", SimpleNamespace(write=self.written.append))

    def tick(self) -> bool:
        return self.news

    def look_again(self) -> Verdict:
        self.looked += 1
        return self.verdict

    def name_victims(
        self, reader: Reader, ranks: Iterable[RankView], policy: Policy, elsewhere: set[int], resting: Any = frozenset()
    ) -> None:
        self.victims_of.append(elsewhere)


def rank_here(number: int, launcher: Launcher = Launcher.HYDRA) -> RankView:
    process = ProcessId(HEAD, 50 + number, 7)
    return RankView(number, launcher, process, process, (process,))


@dataclass
class Head:
    """A watch with all that it is connected to."""

    observers: Observers
    here: Here
    clock: Clock
    watch: JobWatch

    def hear(self, *digests: Digest) -> bool:
        """Let nodes tell, and the watch take it in; return whether it has changed."""
        self.observers.tell(*digests)
        return self.watch.tick()


def head(proc: Path, *ranks: RankView) -> Head:
    """Return a watch that has just begun."""
    observers, here, clock = Observers(), Here(Reader(str(proc)), ranks), Clock()
    watch = JobWatch(cast("Any", here), cast("Any", observers), Policy(stall_after_s=7.0), clock, clock.sleep)
    return Head(observers, here, clock, watch)


def greeting(host: str, observers: Observers, incarnation: str = "1") -> None:
    observers.say(host, Hello(9, 9), incarnation=incarnation)
