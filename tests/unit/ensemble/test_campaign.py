"""A campaign runs what is missing, one trial at a time, each on record before the next begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hangprobe.ensemble import store as stores
from hangprobe.ensemble.campaign import Counter, Progress, not_made, run
from hangprobe.ensemble.records import Campaign, Outcome, Planned, Trial
from hangprobe.ensemble.store import Store, opened
from hangprobe.errors.base import UnwritableFolder
from hangprobe.errors.ensembles import TrialsFail

from .trials import campaign, ended, trial, usual


@dataclass
class Follower:
    """Notes what it is told."""

    told: list[tuple[str, int, Progress]] = field(default_factory=list)

    def began(self, planned: Planned, progress: Progress) -> None:
        self.told.append(("began", planned.number, progress))

    def ended(self, trial: Trial, progress: Progress) -> None:
        self.told.append(("ended", trial.number, progress))


def runner(made: list[int], outcome: Callable[[Planned], Outcome] = usual) -> Callable[[Planned, Path], Trial]:
    """Return a runner that notes the numbers of the trials that it makes."""

    def make(planned: Planned, folder: Path) -> Trial:
        assert folder.is_dir()
        made.append(planned.number)
        return trial(planned, outcome(planned))

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return the store of a campaign that has just begun."""
    with opened(tmp_path, is_new=True) as opened_store:
        opened_store.begin(campaign())
    return opened_store


def test_every_trial_is_on_record_before_the_next_begins(store: Store) -> None:
    plan, on_record = campaign(), []

    def make(planned: Planned, folder: Path) -> Trial:
        on_record.append(len(store.recorded()))
        return trial(planned)

    ran = run(store, plan, make, Follower())
    assert on_record == list(range(len(plan.plan)))
    assert [each.number for each in ran.trials] == [each.number for each in plan.plan]
    assert ran.settled is None


def test_a_runner_that_is_stopped_anywhere_is_gone_on_with_and_nothing_is_made_twice(store: Store) -> None:
    plan, made = campaign(), list[int]()
    for after in (3, 1, 4):

        def stop(planned: Planned, folder: Path, left: list[int] = [after]) -> Trial:  # noqa: B006
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            made.append(planned.number)
            return trial(planned, usual(planned))

        try:
            run(store, plan, stop, Follower())
        except KeyboardInterrupt:
            continue
    run(store, plan, runner(made), Follower())
    assert made == [each.number for each in plan.plan]
    assert store.recorded() == ended(plan)


def test_progress_counts_hung_and_started_and_estimates_what_is_left() -> None:
    plan = campaign(blocks=2)
    some = {each.number: trial(each, usual(each), duration_s=10.0) for each in plan.plan if each.block == 1}
    progress = Counter(plan, some).progress()
    assert (progress.done, progress.wanted) == (6, 12)
    assert progress.left_s == pytest.approx(60.0)
    tallies = {(cell.launcher, cell.workload): tally for cell, tally in progress.tallies}
    assert (tallies["mpiexec", "stdin-child"].hung, tallies["mpiexec", "stdin-child"].started) == (1, 1)
    assert (tallies["gnu-parallel", "stdin-child"].hung, tallies["gnu-parallel", "stdin-child"].wanted) == (0, 2)


def test_a_trial_that_could_not_be_made_is_not_counted_as_started() -> None:
    plan = campaign(blocks=1)
    first = plan.plan[0]
    progress = Counter(plan, {1: trial(first, Outcome.INFRASTRUCTURE)}).progress()
    assert dict(progress.tallies)[first.cell].started == 0
    assert dict(progress.tallies)[first.cell].hung == 0


def test_trials_that_cannot_be_made_end_the_campaign_before_all_of_them_are_spent(store: Store) -> None:
    made: list[int] = []
    with pytest.raises(TrialsFail, match="3 trials in a row") as told:
        run(store, campaign(), runner(made, lambda planned: Outcome.INFRASTRUCTURE), Follower())
    assert made == [1, 2, 3]
    assert "--resume" in str(told.value)


def test_single_trials_that_could_not_be_made_do_not_end_it(store: Store) -> None:
    made: list[int] = []
    outcome = {0: Outcome.COMPLETED}
    run(store, campaign(), runner(made, lambda each: outcome.get(each.number % 3, Outcome.INFRASTRUCTURE)), Follower())
    assert len(made) == len(campaign().plan)


@pytest.mark.parametrize("error", [OSError(11, "no process more"), UnwritableFolder("/x", "full")])
def test_a_trial_that_cannot_be_made_is_on_record_and_the_campaign_goes_on(store: Store, error: Exception) -> None:
    def make(planned: Planned, folder: Path) -> Trial:
        if planned.number == 2:
            raise error
        return trial(planned, usual(planned))

    ran = run(store, campaign(), make, Follower())
    assert len(ran.trials) == len(campaign().plan)
    failed = store.recorded()[2]
    assert (failed.outcome, failed.why, failed.cell) == ("infrastructure", str(error), campaign().plan[1].cell)


def test_a_trial_that_fails_by_a_bug_is_no_trial(store: Store) -> None:
    def make(planned: Planned, folder: Path) -> Trial:
        raise AttributeError(planned)

    with pytest.raises(AttributeError):
        run(store, campaign(), make, Follower())
    assert store.recorded() == {}


def test_a_record_that_cannot_be_written_ends_the_campaign_with_its_reason(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stores, "write_whole", full)
    with pytest.raises(UnwritableFolder, match="No space left"):
        run(store, campaign(), runner([]), Follower())


def test_followers_hear_of_each_trial_before_and_after(store: Store) -> None:
    follower = Follower()
    run(store, campaign(), runner([]), follower)
    numbers = [each.number for each in campaign().plan]
    assert [(what, number) for what, number, _ in follower.told] == [
        (what, number) for number in numbers for what in ("began", "ended")
    ]
    assert [progress.done for what, _, progress in follower.told if what == "ended"] == numbers


def test_it_stops_between_blocks_when_what_is_known_is_enough(store: Store) -> None:
    made: list[int] = []

    def settled(campaign: Campaign, trials: object) -> str | None:
        return "known" if len(made) >= 4 else None

    ran = run(store, campaign(), runner(made), Follower(), settled)
    assert (len(made), ran.settled) == (6, "known")  # six trials a block: the rest of a block is made
    run(store, campaign(), runner(made), Follower(), settled)
    assert len(made) == 6


def test_a_trial_that_was_not_made_says_why() -> None:
    planned = campaign().plan[0]
    kept = not_made(planned, "no ssh to node02", "2026-11-23T04:00:00Z", 0.0)
    assert (kept.number, kept.cell, kept.outcome, kept.why) == (1, planned.cell, "infrastructure", "no ssh to node02")
