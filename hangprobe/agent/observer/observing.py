"""The observer of a node at work: watches the ranks there as the head would, tells it what changes, does what it asks.

The job is over if nothing listens where the head did *and* its link file is gone: the head removes that when it ends,
its guardian does if it was killed. Until then a head that is silent, or a network that is cut, changes nothing for the
job: the observer goes on, and tells what stands when it is heard again.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hangprobe.agent.link import line as observer_link
from hangprobe.agent.link.messages import (
    Alive,
    Answer,
    End,
    FindHolders,
    Hello,
    LookAgain,
    NameVictims,
    OfObserver,
    Shown,
    Told,
    Welcome,
)
from hangprobe.agent.observer.lockwatch import digest_with_locks, file_holders
from hangprobe.agent.observer.nodejob import NodeJob, is_for_one_job
from hangprobe.agent.observer.parent import Parent
from hangprobe.agent.observer.registry import RankAt, Registry
from hangprobe.agent.observer.starter import marker_of, standard_objects, starter_of
from hangprobe.digest import Digest
from hangprobe.filewaits import FileHeld
from hangprobe.launch.proctree import Identity, ancestors, list_processes, read_process
from hangprobe.model import ProcessId
from hangprobe.observe.crew import Crew
from hangprobe.observe.roots import Roots
from hangprobe.policy import Policy
from hangprobe.ranksets import unfold
from hangprobe.record import Line, Look, Writer
from hangprobe.watchdog import Watchdog, set_alarms
from hangprobe.watched import name_victims

POLL_S = 0.25
"""Between two looks at the line and the ranks while there is nothing to sample."""
ALIVE_S = 2.0
"""Between two messages: whoever says nothing for longer is lost."""
OVER_S = 1.0
"""Between two looks whether the job is over, while there is no connection to the head."""
ALONE_S = 5.0
"""Without a connection and without anything of the job here, before an observer leaves of its own accord."""
LINGER_S = 0.25
"""For what ends by itself right after the ranks."""
NOBODY = 0
"""The number of a request that nobody has made."""
ORPHANED_TERM_S = 0.5
"""Between SIGTERM and SIGKILL for what is left of a job whose head was killed."""


class LastLook(Writer):
    """A record that keeps the last look, and writes nothing."""

    def __init__(self) -> None:
        super().__init__(None)
        self.look: Look | None = None

    def write(self, line: Line) -> None:
        """Keep it."""
        if isinstance(line, Look):
            self.look = line


@dataclass(slots=True)
class Observer:
    """Watches one node for one job."""

    line: observer_link.Line
    link_path: Path
    job: NodeJob
    registry: Registry
    host: str
    clock: Callable[[], float] = time.monotonic

    watchdog: Watchdog | None = None
    """None until the head has said how to watch."""
    shown: LastLook = field(default_factory=lambda: LastLook())
    """Takes the place of a record, which is with the head."""
    parent: Parent | None = None
    """Where only ancestors may read a rank: what makes this process one."""
    has_eyes: bool = True
    """False where only ancestors may: then this one is there to end what the job has on the node, and the ranks'
    parents, which their launcher may kill with them, do the watching."""
    crew: Crew | None = None
    """The workers of this node, where the job is an ensemble of tasks."""
    parents: dict[Identity, None] = field(default_factory=dict)
    """The launcher's processes above the ranks."""
    _locks: tuple[FileHeld, ...] = ()
    """The locks on files that the head has asked about last."""
    _told: object = None
    _spoke_s: float = 0.0
    _over_due_s: float = 0.0
    _alone_s: float = field(default_factory=time.monotonic)
    _is_done: bool = False

    def run(self) -> None:
        """Serve until the head says that the job has ended, or it is known to have; as a parent, until the rank has."""
        self._greet()
        while not self._is_done:
            self._wait(self._tick())
            if self.parent is not None and self.parent.poll() is not None:
                self._tick()  # to tell that the rank has ended
                break
            for body in self.line.receive(0.0):
                self._obey(body)
            if self.line.has_reconnected():
                self._greet()
            if self._is_over():
                self._end(NOBODY, ORPHANED_TERM_S)
        self.registry.close()
        self.line.close()

    def _wait(self, pause_s: float) -> None:
        """Wait for a message, and as a parent for a signal or the end of the rank."""
        poller = select.poll()
        poller.register(self.line.fileno(), select.POLLIN)
        if self.parent is not None:
            poller.register(self.parent, select.POLLIN)
        poller.poll(1000 * pause_s)

    def _tick(self) -> float:
        """Take in new ranks, sample, tell what has changed; return the seconds until the next time."""
        for rank in self.registry.take_in():
            self._meet(rank)
        if self.watchdog is None:
            if self.clock() - self._spoke_s >= ALIVE_S:
                self.job.see(each.identity for each in self.job.find())
                self._say(Alive())
            return POLL_S
        began_s = self.clock()
        self.watchdog.roots.without.update(self.registry.deputy_pids)
        self.watchdog.tick()
        self.job.see(self.watchdog.identities())
        self._tell()
        return max(0.0, self.watchdog.interval_s - (self.clock() - began_s))

    def _meet(self, rank: RankAt) -> None:
        """Watch a rank; below a daemon that has no other job everything else too, below others what has the job's tag.

        Whatever is watched is the job's, and is ended with it.
        """
        self.job.see([(rank.pid, rank.start_time)])
        if self.watchdog is None:
            above = read_process(rank.parent)
            self.parents.update({above.identity: None} if above is not None else {})
            return
        reader, roots = self.watchdog.reader, self.watchdog.roots
        process = ProcessId(self.host, rank.pid, rank.start_time)
        roots.add_member(process)
        if self.parent is not None:
            roots.only = marker_of(reader, rank.pid)
        starter = starter_of(reader, process)
        if starter is not None:
            self.parents[starter.identity] = None
            self.watchdog.scope_root = self.watchdog.scope_root or starter.pid
            self.watchdog.inherited = (self.watchdog.inherited or frozenset()) | standard_objects(reader, starter.pid)
            if is_for_one_job(starter):
                roots.add(starter.pid)
            roots.adopters.update(ancestors(list_processes(), starter.pid) - roots.parents.keys())

    def _tell(self) -> None:
        """Tell the digest if it is another one than the head knows; else now and then that one is alive."""
        assert self.watchdog is not None
        mark = _mark(self.watchdog)
        if mark != self._told:
            self._told = mark
            self._say(Told(digest_with_locks(self.watchdog, self._locks)))
            if self.shown.look is not None:
                self._say(Shown(self.shown.look))
                self.shown.look = None
        elif self.clock() - self._spoke_s >= ALIVE_S:
            self._say(Alive())

    def _greet(self) -> None:
        """Begin a conversation: on a new connection the head may know nothing of this node any more."""
        itself = read_process(os.getpid())
        self._told = None
        self._say(Hello(os.getpid(), itself.start_time if itself else 0))

    def _say(self, body: OfObserver) -> None:
        self._spoke_s = self.clock()
        self.line.send(body)

    def _obey(self, body: object) -> None:
        match body:
            case Welcome() if self.watchdog is None and self.has_eyes:
                self._begin(body)
            case LookAgain(request):
                if self.watchdog is not None:
                    self.watchdog.look_again()
                self._say(Answer(request, self._digest()))
            case NameVictims(request, hung):
                if self.watchdog is not None:
                    name_victims(self.watchdog, unfold(hung))
                self._say(Answer(request, self._digest()))
            case FindHolders(request, files):
                if self.watchdog is not None:
                    self.watchdog.tick()  # who has got a lock since the last look waits no longer
                    self._locks = file_holders(self.watchdog, files)
                self._say(Answer(request, self._digest()))
            case End(request, term_s):
                self._end(request, term_s)

    def _digest(self) -> Digest | None:
        return digest_with_locks(self.watchdog, self._locks) if self.watchdog is not None else None

    def _begin(self, welcome: Welcome) -> None:
        """Begin to watch."""
        policy = Policy(
            interval_s=welcome.interval_s, stall_after_s=welcome.stall_after_s, has_stacks=welcome.has_stacks
        )
        roots = Roots(tag=self.job.tag)
        set_now = set_alarms()  # whose they are cannot be told: any one may be the job's
        self.watchdog = Watchdog(
            roots,
            None,
            policy,
            self.shown,
            host=self.host,
            own={},
            alarms=None if set_now is None else frozenset(),
            starters=welcome.starters,
            crew=self.crew,
        )
        for rank in self.registry.ranks:
            self._meet(rank)

    def _end(self, request: int, term_s: float) -> None:
        """End what the job has here, tell what is left, and leave."""
        left = self.job.end(signal.SIGTERM, LINGER_S, term_s, self.parents)
        self._say(Answer(request, None, tuple(f"{each.pid} {each.name} ({each.state})" for each in left)))
        self._is_done = True

    def _is_over(self) -> bool:
        """Tell whether the job is known to be over: head and link file are gone, or nobody and nothing is left."""
        now_s = self.clock()
        if self._is_done or now_s < self._over_due_s:
            return False
        self._over_due_s = now_s + OVER_S
        if self.line.is_connected or self.job.find():
            self._alone_s = now_s
        if self.line.is_connected:
            return False
        is_gone = self.line.is_head_gone() and not self.link_path.exists()
        return is_gone or now_s - self._alone_s > ALONE_S


def _mark(watchdog: Watchdog) -> object:
    """Return what changes whenever there is something new to tell."""
    judged = watchdog.judgement.ranks if watchdog.judgement is not None else ()
    states = tuple((verdict.rank, verdict.state, verdict.hung, verdict.spared) for verdict in judged)
    return watchdog.running, len(watchdog.ranks), states, watchdog.findings, len(watchdog.contexts)
