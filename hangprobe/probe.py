"""The pipeline for one job. Read this file first.

    launch -> observe -> judge -> explain -> conclude

`probe` starts a command under a guardian, watches everything below it until it ends or must be ended, and returns
one document about it. It prints nothing: whoever wants to follow the job passes a listener.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hangprobe import __version__
from hangprobe.conclude import conclude_digest
from hangprobe.launch.relay import Relay
from hangprobe.launch.session import Ended, Exit, LaunchSpec, Session
from hangprobe.launch.wait import wait_for
from hangprobe.model import Verdict
from hangprobe.observe.crew import Crew
from hangprobe.policy import Policy
from hangprobe.record import End, Header, Writer
from hangprobe.result import Program, Result
from hangprobe.watchdog import Watchdog, set_alarms
from hangprobe.watched import Alone, Watched

if TYPE_CHECKING:
    from hangprobe.agent.joint.linking import Link


class OnHang(StrEnum):
    """What to do about a hang that has stood for the grace period."""

    KILL_PROVEN = "kill-proven"
    KILL = "kill"
    REPORT = "report"


class OnStall(StrEnum):
    """What to do about a stall that has stood for the grace period."""

    KILL = "kill"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Ends:
    """When hangprobe ends a job that does not end by itself."""

    on_hang: OnHang
    on_stall: OnStall
    grace_s: float
    timeout_s: float | None = None

    def reason(self, watchdog: Watched, elapsed_s: float, now_s: float) -> str | None:
        """Return why the job must be ended now; None while it may go on."""
        if self.timeout_s is not None and elapsed_s >= self.timeout_s:
            return f"it ran for {self.timeout_s:g} s (--timeout)"
        if watchdog.standing_since_s is None or now_s - watchdog.standing_since_s < self.grace_s:
            return None
        if watchdog.verdict is Verdict.HANG and self._ends_hang(watchdog):
            return f"the hang has stood for {self.grace_s:g} s"
        if watchdog.verdict is Verdict.STALL and self.on_stall is OnStall.KILL:
            return f"the stall has stood for {self.grace_s:g} s"
        return None

    def _ends_hang(self, watchdog: Watched) -> bool:
        if self.on_hang is OnHang.KILL_PROVEN:
            return watchdog.digest.may_be_ended
        return self.on_hang is OnHang.KILL


class EndRule(Protocol):
    """Who says when a job that does not end by itself is ended."""

    def reason(self, watchdog: Watched, elapsed_s: float, now_s: float) -> str | None:
        """Return why the job must be ended now; None while it may go on."""


class Listener(Protocol):
    """Somebody who follows a job."""

    def sampled(self, watchdog: Watched) -> None:
        """Tell of a sample."""

    def changed(self, watchdog: Watched) -> None:
        """Tell that the verdict or what it rests on has changed."""

    def ending(self, reason: str) -> None:
        """Tell that the job is being ended."""


class Silent:
    """A listener that says nothing."""

    def sampled(self, watchdog: Watched) -> None:
        """Say nothing."""

    def changed(self, watchdog: Watched) -> None:
        """Say nothing."""

    def ending(self, reason: str) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job went: the document, and what only the process that ran it can know."""

    result: Result
    exit: Exit
    by_signal: int | None
    """The signal by which the user ended it; None if the user did not."""
    ended: Ended
    collects: tuple[float, ...]
    """When double collects were taken (monotonic seconds)."""


@dataclass(slots=True)
class _Watch:
    """One job under watch: the loop's step, and what became of the job."""

    session: Session
    watchdog: Watched
    ends: EndRule
    listener: Listener
    began_s: float
    reason: str | None = field(default=None)

    def tick(self) -> float | None:
        """Sample, tell, and end the job if it must be; return the seconds until the next sample."""
        began_s = time.monotonic()
        has_changed = self.watchdog.tick()
        self.listener.sampled(self.watchdog)
        if has_changed:
            self.listener.changed(self.watchdog)
        reason = self.ends.reason(self.watchdog, began_s - self.began_s, began_s)
        if reason is None:
            return max(0.0, self.watchdog.interval_s - (time.monotonic() - began_s))
        self.watchdog.look_again()
        if self.ends.reason(self.watchdog, began_s - self.began_s, time.monotonic()) != reason:
            return self.watchdog.interval_s  # what was to be ended is no more, or is something else
        self.reason = reason
        self.listener.ending(reason)
        self.session.end()
        return None


def probe(
    spec: LaunchSpec,
    ends: EndRule,
    policy: Policy,
    listener: Listener | None = None,
    record_path: Path | None = None,
    program: Program | None = None,
    started: Callable[[Session], None] | None = None,
    link: Link | None = None,
    crew: Crew | None = None,
) -> Outcome:
    """Run one command under watch and return what became of it. Raises CommandNotStarted, GuardianLost.

    `link`: to the observers of other nodes, on which ranks of the job may run. `crew`: the workers of this node, where
    the job is an ensemble of tasks.
    """
    started_at, began_s = datetime.now(UTC), time.monotonic()
    alarms = set_alarms()
    with Relay() as relay, Session(spec, relay.original_mask) as session:
        record = Writer(record_path)
        here = Watchdog(session.guardian_pid, session.command_pid, policy, record, alarms=alarms, crew=crew)
        watchdog = _watched(here, link, policy)
        record.write(
            Header(spec.written or spec.command, here.host, started_at.isoformat(), policy.stall_after_s, __version__)
        )
        if started is not None:
            started(session)
        watch = _Watch(session, watchdog, ends, listener or Silent(), began_s)
        how, by_signal = wait_for(session, relay, watch.tick, spec.capture is not None)
        ended = session.finish()
        watchdog.end()
        ended_by = "hangprobe" if watch.reason else "user" if by_signal else "itself"
        status = None if watch.reason else how.status
        duration_s = time.monotonic() - began_s
        digest, command = watchdog.digest, spec.written or spec.command
        result = conclude_digest(digest, policy.interval_s, command, status, ended_by, started_at, duration_s, program)
        record.write(End(result))
        record.close()
        here.close()
    return Outcome(result, how, by_signal, ended, tuple(watchdog.collects))


def _watched(here: Watchdog, link: Link | None, policy: Policy) -> Watched:
    """Return the watch over the whole job."""
    if link is None:
        return Alone(here)
    from hangprobe.agent.joint.jobwatch import JobWatch

    return JobWatch(here, link, policy)
