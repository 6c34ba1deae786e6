"""The document about one job: what `--json` writes and every report reads (`hangprobe.result/1`).

A published format: fields are added, never renamed. See docs/result.md.

What there is one of for each rank is no business of the garbage collector (`gc=False`): frozen values hold no cycles,
and a million of them would be looked through again and again.
"""

from __future__ import annotations

from hangprobe.context.values import LaunchContext
from hangprobe.model import Frozen, Launcher, RankState, Tier, Unreadable, Verdict

SCHEMA = "hangprobe.result/1"


class FoundProcess(Frozen, frozen=True, gc=False):
    """A process that a finding is about."""

    host: str
    pid: int
    start_time: int
    forked: bool | None


class FoundThread(Frozen, frozen=True, gc=False):
    """A thread that could end a wait."""

    pid: int
    tid: int


class FoundWait(Frozen, frozen=True, gc=False):
    """A wait that a finding is about, with all that could end it."""

    host: str
    pid: int
    tid: int
    kind: str
    object: str
    wakers: tuple[FoundThread, ...]
    since_s: float | None = None
    """For how long it had been waiting at the look; None if that is not known."""


class Finding(Frozen, frozen=True, gc=False):
    """One cause, and the ranks that it holds."""

    mechanism: str
    tier: Tier
    likely: bool
    """The mechanism is likely, not certain; the tier says how certain the hang itself is."""
    ranks: str
    """As ranges: "0,3-7"."""
    processes: tuple[FoundProcess, ...]
    waits: tuple[FoundWait, ...]
    detail: dict[str, str]
    says: str
    """One sentence."""
    assumptions: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    mitigations: tuple[str, ...] = ()
    recovered: bool = False
    """It was found, and the job went on all the same."""
    clause: str | None = None
    """What is said of each process alike: `says` without the ranks, the processes, and what the tier says."""
    processes_total: int | None = None
    """How many processes there are where `processes` has only some of them, of as many nodes as possible; else None."""
    waits_total: int | None = None
    """The same of `waits`."""


class RankResult(Frozen, frozen=True, gc=False):
    """One rank as it was last seen."""

    rank: int
    host: str
    pid: int
    start_time: int
    since_s: float | None
    mechanism: str | None
    state: RankState
    why: str | None = None
    """In words, for ranks that are blocked or stalled, and those of which nothing is known; else None."""
    detail: dict[str, str] | None = None
    """In an ensemble: `manager`; of a worker `worker`, `start_method` as seen, the `task` and `workload` it runs; of a
    manager `began`, when it was started by its node's clock (seconds since 1970)."""


class StartedAlike(Frozen, frozen=True):
    """Ranks that were started in the same way."""

    ranks: str
    """As ranges: "0,3-7"."""
    context: LaunchContext


class Watched(Frozen, frozen=True):
    """How closely the job was watched."""

    interval_s: float
    samples: int
    double_collects: int


class Program(Frozen, frozen=True):
    """Which reproducer was run, and how."""

    name: str
    variant: str
    mitigation: str | None


class Result(Frozen, frozen=True, kw_only=True):
    """Everything that is said of one job."""

    schema: str = SCHEMA
    verdict: Verdict
    tier: Tier | None
    command: tuple[str, ...]
    launcher: Launcher
    exit_status: int | None
    """What a shell would show; None if hangprobe ended the job, or it still runs."""
    ended_by: str | None
    """`itself`, `hangprobe`, `user`; None if it still runs."""
    started_at: str
    """UTC, ISO 8601."""
    duration_s: float
    detected_after_s: float | None
    """From the moment in which the last thread blocked to the verdict."""
    ranks: tuple[RankResult, ...]
    findings: tuple[Finding, ...]
    start_methods: dict[str, str]
    """How the ranks' child processes were started, as seen in the live tree: method -> ranks."""
    watched: Watched
    unreadable: tuple[Unreadable, ...] = ()
    size: int | None = None
    """How many ranks the job has, as its launcher told them; None if that is not known."""
    contexts: tuple[StartedAlike, ...] = ()
    """What the launcher gave the ranks, in order of the first rank of each; empty if nobody has looked."""
    program: Program | None = None
