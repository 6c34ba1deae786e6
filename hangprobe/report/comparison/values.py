"""A comparison of launchers as values (`hangprobe.comparison/1`): all that every format tells.

Published as JSON: fields are added, never renamed. Times are in seconds, rates are shares of trials.
"""

from __future__ import annotations

from enum import StrEnum

from hangprobe.ensemble.records import Cell, Environment, Look, Settings
from hangprobe.model import Frozen

COMPARISON = "hangprobe.comparison/1"
LEVEL = 0.95
"""Of all intervals: what the field is used to."""
ALPHA = 1 - LEVEL


class Block(Frozen, frozen=True):
    """A block of trials, and whether its controls did what they must."""

    number: int
    is_evidence: bool
    why: str | None
    """Why it is no evidence; else None."""


class HungRate(Frozen, frozen=True):
    """Hung trials of those started, with the exact interval (Clopper and Pearson)."""

    hung: int
    started: int
    low: float
    high: float


class MechanismSeen(Frozen, frozen=True):
    """A cause that was found, and in how many hung trials."""

    mechanism: str
    tier: str
    trials: int


class HostSeen(Frozen, frozen=True):
    """Nodes on which the same was seen."""

    hosts: str
    """Folded: `node[02-03]`."""
    trials: int
    """In how many of the hung trials a worker (or the manager) of each of them hung."""


class StartSeen(Frozen, frozen=True):
    """How the workers of a Parsl were started."""

    seen: str
    said: str | None
    """What Parsl's log says; None if it says nothing."""
    workers: int


class Times(Frozen, frozen=True):
    """What was measured in one completed trial; None where it was not."""

    trial: int
    block: int
    registered_s: float | None
    first_task_s: float | None
    makespan_s: float | None
    throughput: float | None


class CellResult(Frozen, frozen=True, kw_only=True):
    """What is counted of one cell."""

    cell: Cell
    control: str | None
    rate: HungRate
    says: str
    """What this many trials allow to say."""
    outcomes: dict[str, int]
    """Every counted trial, by how it ended; only `hung` is hung."""
    excluded: int
    """Trials in blocks that are no evidence; they are in none of the figures."""
    missing: int
    """Planned and not run yet."""
    mechanisms: tuple[MechanismSeen, ...]
    hosts: tuple[HostSeen, ...]
    """Only those on which something hung, and those of the same trials on which nothing did (`trials` = 0)."""
    start_methods: tuple[StartSeen, ...]
    times: tuple[Times, ...]
    """Of completed trials only."""
    example: int | None
    """The trial that stands for the cell: the first hung one, else the first completed one, else the first."""
    not_needed: int = 0
    """Planned for after the look at which the campaign was sure, and not run."""


class Effect(StrEnum):
    """What another launcher does to a hang."""

    CURES = "cures"
    """Fewer trials hung, and none did."""
    RARER = "makes-rarer"
    """Fewer trials hung, and some still did."""
    NOT_CURED = "does-not-cure"
    BRINGS = "brings"
    """More trials hung."""
    UNDECIDED = "undecided"
    """Too few trials to tell."""
    NOT_REPRODUCED = "not-reproduced"
    """None hung under either launcher."""
    NO_EVIDENCE = "no-evidence"
    """Under one of them no trial came so far that it could have hung."""


class Pair(Frozen, frozen=True, kw_only=True):
    """The same workload under two launchers."""

    first: Cell
    second: Cell
    effect: Effect
    difference: float | None
    """Of the hang rates, second minus first; None if there is no evidence."""
    low: float | None
    high: float | None
    p_value: float | None
    """None too where the campaign may stop early: then the interval decides."""
    adjusted_p: float | None
    """After Holm, over all pairs but those of controls."""
    test: str | None
    why: str | None
    """For `undecided` and `no-evidence`: what is missing."""
    level: float = LEVEL
    """Of the interval."""
    known: str | None = None
    """What is sure at the look of `Design`, whose counts `difference` is of; None without looks."""


class Unfinished(Frozen, frozen=True):
    """A workload that never completed under one launcher, though not every time for a hang."""

    first: Cell
    second: Cell
    is_neither: bool
    """It never completed under the other either; else it always did."""
    says: str


class Design(Frozen, frozen=True, kw_only=True):
    """When a campaign might stop early (`--until-sure`), and whether it did."""

    looks: tuple[Look, ...]
    look: int | None
    """At which it was sure, else the last one taken, counted from 1; None before the first."""
    blocks: int | None
    """After how many blocks that was."""
    is_sure: bool
    """Of every comparison that was asked for."""
    level: float
    """Of each interval, adjusted for all looks."""
    together: float
    """Of the intervals of all comparisons that were asked for."""
    says: str


class MeasuredRatio(Frozen, frozen=True, kw_only=True):
    """How a measure of completed trials under one launcher relates to that under another."""

    measure: str
    """`registered_s`, `first_task_s`, `makespan_s` or `throughput`."""
    first: Cell
    second: Cell
    estimate: float
    """Second by first."""
    low: float | None
    """None with too few trials for an interval."""
    high: float | None
    n_first: int
    n_second: int
    is_paired: bool
    """Whether it is the mean ratio within blocks, which a busy machine does not disturb; n is then that of blocks."""
    why: str | None
    """Why there is no interval; else None."""


class ContextGroup(Frozen, frozen=True):
    """Managers that were given the same."""

    hosts: str
    value: str


class ContextChange(Frozen, frozen=True):
    """Something that two launchers give otherwise."""

    attribute: str
    title: str
    first: tuple[ContextGroup, ...]
    second: tuple[ContextGroup, ...]


class ContextExplanation(Frozen, frozen=True):
    """What a difference of launch contexts can explain."""

    mechanism: str
    where: str
    says: str


class ContextComparison(Frozen, frozen=True, kw_only=True):
    """What two launchers give the managers that they start."""

    first: Cell
    second: Cell
    first_trial: int
    second_trial: int
    changes: tuple[ContextChange, ...]
    explanations: tuple[ContextExplanation, ...]
    lines: tuple[str, ...]
    """The same as plain text."""
    why: str | None
    """One sentence that explains the cured hang; None if nothing of the kind is in the contexts."""


class OwnFailure(Frozen, frozen=True):
    """Trials that a launcher ended, or never let begin, for its own reasons."""

    launcher: str
    outcome: str
    trials: int
    of: int
    """Trials of this launcher."""
    why: str
    words: tuple[str, ...]
    """Of the first of these trials."""


class Remedy(Frozen, frozen=True):
    """What cures a mechanism without another launcher; from the catalogue, not tried in this campaign."""

    mechanism: str
    mitigation: str
    title: str
    text: str


class Recommendation(Frozen, frozen=True):
    """A configuration to paste."""

    title: str
    text: str
    code: str
    is_measured: bool
    """Whether this campaign has shown it to work."""


class Answer(Frozen, frozen=True):
    """What the campaign says."""

    sentence: str
    notes: tuple[str, ...]
    """What must be known to judge it: excluded blocks, launchers that failed, few trials."""
    has_evidence: bool


class Comparison(Frozen, frozen=True, kw_only=True):
    """The whole of it."""

    schema: str = COMPARISON
    name: str
    answer: Answer
    cells: tuple[CellResult, ...]
    pairs: tuple[Pair, ...]
    ratios: tuple[MeasuredRatio, ...]
    contexts: tuple[ContextComparison, ...]
    failures: tuple[OwnFailure, ...]
    remedies: tuple[Remedy, ...]
    recommendations: tuple[Recommendation, ...]
    blocks: tuple[Block, ...]
    trials: int
    planned: int
    leftovers: int
    """Processes that trials had left behind; they were ended."""
    command: tuple[str, ...]
    seed: int
    started_at: str
    settings: Settings
    environment: Environment
    unseen: tuple[str, ...] = ()
    """Nodes that could not be looked at after some trial: what it may have left there is not known."""
    unfinished: tuple[Unfinished, ...] = ()
    design: Design | None = None
    """None for a campaign that runs to its end."""
