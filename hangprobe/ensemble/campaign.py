"""Run a campaign: what is missing of its plan, one trial at a time, each on record before the next begins.

Apart from what a trial is (trial.py) and from where it is kept (store.py): whatever can make a trial of a planned one
and a folder can be run here. Nothing is printed: a follower is told.

A trial that cannot be made (no process more, a link that is refused, a file that cannot be written) is one on record,
and no end of the campaign; several in a row are.

An interruption (Ctrl-C, SIGTERM) ends the running trial, which is the runner's business, and leaves here as the
exception that it is; that trial is not on record and is run again by whoever goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from hangprobe.ensemble.plan import missing
from hangprobe.ensemble.records import Campaign, Cell, Outcome, Planned, Trial
from hangprobe.ensemble.store import Store
from hangprobe.errors.base import HangprobeError
from hangprobe.errors.ensembles import TrialsFail

TrialRunner = Callable[[Planned, Path], Trial]
"""Makes a planned trial in a fresh folder, and leaves nothing running, whatever happens."""
Settled = Callable[[Campaign, Mapping[int, Trial]], str | None]
"""Says why the trials on record are enough already; None if they are not."""
FAILED_IN_A_ROW = 3
"""As many trials as cannot be made by chance alone: the fourth would not be made either."""
TYPICAL_S = 20.0
"""What a trial takes as long as none has ended: a hung one is watched for some 15 s and ended."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The running result of a cell."""

    hung: int
    started: int
    """All that were made, those whose launcher failed included."""
    wanted: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is."""

    done: int
    wanted: int
    left_s: float
    """Estimated: every missing trial takes what the others of its cell took."""
    tallies: tuple[tuple[Cell, Tally], ...]
    """In order of the campaign's cells."""


class Follower(Protocol):
    """Somebody who is told how a campaign goes."""

    def began(self, planned: Planned, progress: Progress) -> None:
        """A trial is about to begin."""

    def ended(self, trial: Trial, progress: Progress) -> None:
        """A trial is on record."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a campaign ended that was not interrupted."""

    trials: tuple[Trial, ...]
    settled: str | None
    """Why it stopped before its end; None if it ran to it."""


@dataclass(slots=True)
class Counter:
    """Counts trials as they end."""

    campaign: Campaign
    trials: dict[int, Trial] = field(default_factory=dict)

    def progress(self) -> Progress:
        """Return how far the campaign is."""
        wanted: dict[Cell, int] = dict.fromkeys(self.campaign.cells, 0)
        for planned in self.campaign.plan:
            wanted[planned.cell] += 1
        by_cell: dict[Cell, list[Trial]] = {cell: [] for cell in wanted}
        for trial in self.trials.values():
            by_cell[trial.cell].append(trial)
        tallies = tuple((cell, _tally(by_cell[cell], wanted[cell])) for cell in wanted)
        left_s = sum((tally.wanted - len(by_cell[cell])) * self._typical_s(by_cell[cell]) for cell, tally in tallies)
        return Progress(len(self.trials), len(self.campaign.plan), left_s, tallies)

    def _typical_s(self, trials: Iterable[Trial]) -> float:
        for known in (trials, self.trials.values()):
            if durations_s := [trial.duration_s for trial in known]:
                return sum(durations_s) / len(durations_s)
        return TYPICAL_S


def run(
    store: Store, campaign: Campaign, runner: TrialRunner, follower: Follower, settled: Settled | None = None
) -> Ran:
    """Run what is missing. Raises TrialsFail, UnwritableFolder, and an interruption; what is on record stays."""
    counter = Counter(campaign, store.recorded())
    failed = 0
    block = 0
    for planned in missing(campaign.plan, counter.trials):
        if settled is not None and planned.block != block:
            block = planned.block
            if why := settled(campaign, counter.trials):
                return Ran(tuple(counter.trials.values()), why)
        follower.began(planned, counter.progress())
        trial = _made(store, planned, runner)
        store.record(trial)
        counter.trials[trial.number] = trial
        follower.ended(trial, counter.progress())
        failed = failed + 1 if trial.outcome is Outcome.INFRASTRUCTURE else 0
        if failed == FAILED_IN_A_ROW:
            raise TrialsFail(failed, trial.why, str(store.folder))
    return Ran(tuple(counter.trials.values()), settled(campaign, counter.trials) if settled is not None else None)


def _made(store: Store, planned: Planned, runner: TrialRunner) -> Trial:
    """Return a trial, made or not."""
    started_at, began_s = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", time.monotonic()
    try:
        return runner(planned, store.prepare(planned))
    except (OSError, HangprobeError) as error:
        return not_made(planned, str(error), started_at, began_s)


def not_made(planned: Planned, why: str, started_at: str, began_s: float) -> Trial:
    """Return the record of a trial that could not be made; `began_s` by the monotonic clock."""
    return Trial(
        number=planned.number,
        block=planned.block,
        cell=planned.cell,
        control=planned.control,
        started_at=started_at,
        duration_s=time.monotonic() - began_s,
        outcome=Outcome.INFRASTRUCTURE,
        why=why,
    )


def _tally(trials: list[Trial], wanted: int) -> Tally:
    started = [trial for trial in trials if trial.outcome is not Outcome.INFRASTRUCTURE]
    return Tally(sum(trial.outcome is Outcome.HUNG for trial in started), len(started), wanted)
