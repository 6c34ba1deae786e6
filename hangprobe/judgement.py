"""What is made of a job's ranks: how they moved, what is said of each, and what a double collect shows of all.

Apart from the words of what was seen (`model`), which nothing here changes. Frozen, as those are.
"""

from __future__ import annotations

from hangprobe.model import Assumption, Barrier, Frozen, ProcessId, RankState, ThreadId, Verdict


class Sighting(Frozen, frozen=True):
    """A sleeper as it was seen in an earlier collect."""

    thread: ThreadId
    call: str
    run_count: int
    clock_s: float
    """When it was seen, in monotonic seconds of its node."""


class Quiet(Frozen, frozen=True):
    """For how long no thread of a process has run and none has come or gone."""

    process: ProcessId
    quiet_s: float


class Progress(Frozen, frozen=True):
    """How a rank tree moved during the time it was watched."""

    rank: int
    quiet_s: float
    """For how long no thread of the tree has run and none has come or gone."""
    processes: tuple[Quiet, ...] = ()
    """The same for each of its processes."""


class RankVerdict(Frozen, frozen=True):
    """What the judge says of one rank."""

    rank: int
    state: RankState
    why: str
    hung: bool = False
    """Makes the job a hang (clause 1 or 2 of the job rule)."""
    culprits: tuple[ThreadId, ...] = ()
    """The threads of the knot that hold the rank, those whose wait is not for a child first."""
    closed_s: float | None = None
    """When the last of the culprits blocked, in monotonic seconds of its node."""
    since_s: float | None = None
    """For how long the rank's main thread has been waiting."""
    pending: tuple[ThreadId, ...] = ()
    """Threads that may still end the wait: once one has run or gone, the rank can be judged anew."""
    spared: str | None = None
    """Why a proven hang is not ended by default; None if nothing forbids it."""
    assumes: tuple[Assumption, ...] = ()
    """What the knot rests on beside what was seen."""
    barrier: Barrier | None = None
    """What forbids to tell whether its wait can end; None if that can be told."""


class Judgement(Frozen, frozen=True):
    """What a double collect shows."""

    at_s: float
    proven: frozenset[ThreadId]
    """The knot with every thread of a signal-catching process taken as live."""
    blocked: frozenset[ThreadId]
    """The knot without that rule: a superset of `proven`."""
    ranks: tuple[RankVerdict, ...]
    assumes: tuple[Assumption, ...] = ()
    """What some thread of `proven` rests on beside what was seen."""

    @property
    def verdict(self) -> Verdict:
        """The verdict on the job as far as it can be seen while it runs."""
        if any(rank.hung for rank in self.ranks):
            return Verdict.HANG
        if any(rank.state is RankState.STALLED for rank in self.ranks):
            return Verdict.STALL
        return Verdict.OK
