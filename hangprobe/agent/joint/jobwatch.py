"""The watch over a job on several nodes: this node's own, and what the observers of the others tell.

It answers the questions that `probe` asks of a watchdog. Every node judges itself, for nothing that is seen on two
nodes at different times shares an instant; what is told is merged, told anew where it has changed, and asked for a
second time before anything is ended on its word. A node that is not heard is waited for by nobody.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from hangprobe.agent.joint.linking import Link
from hangprobe.agent.joint.lockwaits import Search, files_of
from hangprobe.agent.joint.merge import merge
from hangprobe.agent.joint.sense import is_sensible
from hangprobe.agent.link.admission import Peer
from hangprobe.agent.link.messages import (
    BESIDE,
    Alive,
    Answer,
    End,
    FindHolders,
    Hello,
    LookAgain,
    NameVictims,
    Shown,
    Told,
    Welcome,
)
from hangprobe.agent.observer.lockwatch import digest_with_locks, file_holders
from hangprobe.diagnosis import HUNG
from hangprobe.digest import Digest
from hangprobe.launch.session import TERM_S
from hangprobe.model import Launcher, RankState, Tier, Unreadable, Verdict
from hangprobe.observe.starters import starters
from hangprobe.policy import Policy
from hangprobe.ranksets import unfold, unite
from hangprobe.watchdog import Watchdog
from hangprobe.watched import name_victims, quiet_s

LOOK_LIMIT_S = 3.0
"""For observers to look again: a double collect, its explanation and stacks take some 0.1 s on a node of 64 ranks."""
HOLDERS_LIMIT_S = 1.0
"""For observers to tell who has a lock: some 10 ms, and 50 more for stacks where somebody has one."""
SETTLE_S = 0.25
"""For those to run who wait no longer."""
END_LIMIT_S = TERM_S + 4.0
"""For observers to end what the job has on their nodes."""
ANSWER_S = 0.02
"""Between two looks at what has come."""
LOST_S = 10.0
"""A node that is not heard for so long is named; its observer says something every two seconds."""
UNHEARD_S = 3.0
"""An observer begins half a second after its ranks, and calls as soon as it has begun."""
LOOKS = 64
"""Of other nodes in the record: some 50 KB each, and each can be judged by itself."""
SHARE = 0.1
"""Of the time that merging may take: of a million ranks it takes a second or two."""


@dataclass(slots=True)
class Node:
    """One node as it was told last."""

    peer: Peer
    digest: Digest | None = None
    heard_s: float = 0.0


@dataclass(slots=True)
class JobWatch:
    """Watches the job below this process and, by way of its observers, on all other nodes."""

    here: Watchdog
    link: Link
    policy: Policy
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    nodes: dict[str, Node] = field(default_factory=dict)
    """By host name."""
    standing_since_s: float | None = None
    """Since when the present hang or stall stands unchanged; None while there is none."""
    digest: Digest = field(init=False)
    """What is known of the whole job."""
    left: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By host: what could not be ended."""
    senseless: Counter[str] = field(default_factory=Counter)
    """By host: digests that were dropped, for they cannot be those of a node."""
    _requests: count[int] = field(default_factory=lambda: count(1))
    _answers: dict[int, set[str]] = field(default_factory=dict)
    _blank: set[str] = field(default_factory=set)
    """Nodes that knew nothing when they were asked: a deputy that has just begun."""
    _began_s: float = field(init=False)
    _search: Search = field(default_factory=Search)
    _is_over: bool = False
    _looks: int = 0
    _has_news: bool = False
    _merge_due_s: float = 0.0
    _standing: object = None

    def __post_init__(self) -> None:
        """Begin with what this node shows."""
        self._began_s = self.clock()
        self.digest = self._merged()
        _allow_many_connections()

    @property
    def host(self) -> str:
        """This node."""
        return self.here.host

    @property
    def verdict(self) -> Verdict:
        """The verdict as it stands."""
        return self.digest.verdict

    @property
    def collects(self) -> list[float]:
        """When double collects were taken on this node (monotonic seconds)."""
        return self.here.collects

    @property
    def interval_s(self) -> float:
        """Until the next sample."""
        return self.here.interval_s

    @property
    def _own_ranks(self) -> bool:
        """Whether ranks run on this node too; the launcher's command alone is none."""
        return any(rank.launcher is not Launcher.NONE or rank.worker is not None for rank in self.here.ranks)

    def quiet_s(self, rank: int) -> float | None:
        """Return for how long nothing in a rank tree has moved; None if that is not known here."""
        return quiet_s(self.here, rank)

    def tick(self) -> bool:
        """Sample here, hear the others; return whether the verdict or its findings have changed."""
        has_changed = self.here.tick()
        self._hear()
        self._has_news = self._has_news or has_changed
        now_s = self.clock()
        if not (self._has_news or self._search.is_due(now_s)) or now_s < self._merge_due_s:
            return False
        return self._take_in()

    def look_again(self) -> Verdict:
        """Let every node that is hung look again, and return the verdict: the last word before a job is ended.

        What a node has said before counts no more if it does not say so again.
        """
        self.here.look_again()
        hung = [host for host, node in self.nodes.items() if node.digest is not None and node.digest.verdict in HUNG]
        self._blank.clear()
        silent = self._ask(LookAgain, hung, LOOK_LIMIT_S)
        for host in {*silent, *self._blank.intersection(hung)}:
            self.nodes[host].digest = None
        self._take_in()
        return self.verdict

    def end(self) -> None:
        """Let every observer end what the job has on its node, see that it is gone, and leave.

        What is known of the job stays as it was before: ranks that are being ended are no news.
        """
        self._is_over = True
        self._hear()
        now_s = self.clock()
        # what a rank's parent watches is ended by its node's own observer: the parent may have gone with its rank
        able = [host for host in self.nodes if BESIDE not in host or host.partition(BESIDE)[0] not in self.nodes]
        silences_s = {host: now_s - self.nodes[host].heard_s for host in able}
        lost = {host: silent_s for host, silent_s in silences_s.items() if silent_s > LOST_S}
        silent = self._ask(End, [host for host in able if host not in lost], END_LIMIT_S, term_s=TERM_S)
        doubts = [Unreadable(host, f"not heard of for {silent_s:.0f} s") for host, silent_s in lost.items()]
        doubts += [Unreadable(host, "did not answer when the job had ended") for host in silent]
        doubts += [Unreadable(host, f"could not be ended: {', '.join(what)}") for host, what in self.left.items()]
        doubts += [
            Unreadable(host, f"told {times} times what makes no sense") for host, times in self.senseless.items()
        ]
        if not self.nodes and not self._own_ranks and now_s - self._began_s > UNHEARD_S:
            doubts.append(Unreadable("other nodes", "no observer was heard of"))
        self.digest = self.digest.but(unreadable=(*self.digest.unreadable, *doubts))

    def _take_in(self) -> bool:
        """Merge what was told, and return whether the verdict or its findings have changed."""
        began_s = self.clock()
        before, self.digest = self.digest, self._merged()
        self._merge_due_s = self.clock() + (self.clock() - began_s) / SHARE
        self._follow_locks(before)
        self._has_news = False
        standing = _what_stands(self.digest)
        has_changed = standing != self._standing
        if has_changed:
            self._standing = standing
            self.standing_since_s = self.clock() if self.verdict in HUNG else None
            if self.verdict is Verdict.HANG and self.policy.has_stacks:
                self._name_victims()
        return has_changed

    def _merged(self) -> Digest:
        told = [node.digest for node in self.nodes.values() if node.digest is not None]
        here = [digest_with_locks(self.here, self._search.found_here)] if self._own_ranks or not told else []
        return merge([*here, *told])

    def _name_victims(self) -> None:
        hung = unite(finding.ranks for finding in self.digest.findings if finding.tier in {Tier.PROVEN, Tier.LEAK})
        if self._own_ranks:
            name_victims(self.here, unfold(hung))
        for node in self.nodes.values():
            self.link.send(node.peer, NameVictims(next(self._requests), hung))

    def _follow_locks(self, before: Digest) -> None:
        """Ask who has the files for which ranks wait; twice before a stall is told: others may just have woken up."""
        files = self._search.ask(self.digest.waits_for_files, self.clock())
        wanted = files or files_of((*self.digest.waits_for_files, *before.waits_for_files))
        for pause_s in (0.0, SETTLE_S):
            is_new_stall = self.verdict is Verdict.STALL and before.verdict not in HUNG
            if self._is_over or not (files or (wanted and is_new_stall)):
                break
            self.sleep(pause_s)
            self.here.tick()
            self._search.found_here = file_holders(self.here, wanted)
            heard = [host for host, node in self.nodes.items() if self.clock() - node.heard_s < LOST_S]
            self._ask(FindHolders, heard, HOLDERS_LIMIT_S, files=wanted)
            self.digest, files = self._merged(), ()

    def _ask(self, kind: type, hosts: list[str], limit_s: float, **details: object) -> list[str]:
        """Ask some nodes for something; return those that have not answered within the limit."""
        request = next(self._requests)
        self._answers[request] = set()
        for host in hosts:
            self.link.send(self.nodes[host].peer, kind(request, **details))
        deadline_s = self.clock() + limit_s
        while (silent := set(hosts) - self._answers[request]) and self.clock() < deadline_s:
            self.sleep(ANSWER_S)
            self._hear()
        del self._answers[request]
        return sorted(silent)

    def _hear(self) -> None:
        """Take in what has come since the last time."""
        for peer, body in self.link.receive():
            node = self.nodes.setdefault(peer.host, Node(peer))
            node.peer, node.heard_s = peer, self.clock()
            match body:
                case Hello():
                    self.link.send(peer, self._welcome())
                case Told(digest):
                    self._learn(node, digest)
                case Shown(look) if self._looks < LOOKS and not self._is_over:
                    self._looks += 1
                    self.here.record.write(look)
                case Answer(request, digest, left):
                    self._learn(node, digest)
                    if left:
                        self.left[peer.host] = left
                    if request in self._answers:
                        self._answers[request].add(peer.host)
                    if digest is None:
                        self._blank.add(peer.host)
                case Alive() if node.digest is None:
                    self.link.send(peer, LookAgain(next(self._requests)))

    def _learn(self, node: Node, digest: Digest | None) -> None:
        if digest is None or self._is_over:
            return
        if is_sensible(digest):
            node.digest, self._has_news = digest, True
        else:
            self.senseless[node.peer.host] += 1

    def _welcome(self) -> Welcome:
        policy = self.policy
        known = starters(self.here.reader, self.host)
        return Welcome(policy.interval_s, policy.stall_after_s, policy.has_stacks, known)


def _allow_many_connections() -> None:
    """Let this process have as many descriptors as it may: a node takes one, a stranger too until he is refused.

    After the job has been started, which keeps the limit that it was given.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _what_stands(digest: Digest) -> object:
    """Return what must change for a hang to count as another one."""
    held = tuple((finding.mechanism, finding.tier, finding.ranks) for finding in digest.findings)
    stalled = tuple(row.rank for row in digest.ranks if row.state is RankState.STALLED)
    return digest.verdict, held, stalled if digest.verdict is Verdict.STALL else ()
