"""When a trial is ended: not before its hang has shown all that it will show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar, cast

import pytest

from hangprobe.ensemble.ends import LEAVE_S, SETTLE_S, TrialEnds
from hangprobe.model import RankState, Verdict
from hangprobe.observe.patience import Patience
from hangprobe.result import RankResult
from hangprobe.watched import Watched

NOW_S = 100.0
T = TypeVar("T")


@dataclass
class Ensemble:
    """A trial on two nodes, as the watch sees it and as its marks have it."""

    marks: Path

    def task(self, host: str, pid: int, *, has_ended: bool) -> None:
        """Let a worker begin a task, and perhaps end it."""
        (self.marks / "workers" / host).mkdir(parents=True, exist_ok=True)
        end = "E 2.0 1 ok\n" if has_ended else ""
        (self.marks / "workers" / host / f"{pid}-7.log").write_text(f"W 0 0 1 9 p\nB 1.0 1 x\n{end}")

    def reason(
        self,
        ends: TrialEnds,
        verdict: Verdict,
        standing_s: float | None,
        states: dict[tuple[str, int], RankState],
        elapsed_s: float = 20.0,
        now_s: float = NOW_S,
    ) -> str | None:
        """Return why it is ended."""
        ranks = [
            RankResult(n, host, pid, 7, None, None, state) for n, ((host, pid), state) in enumerate(states.items())
        ]
        watch = SimpleNamespace(
            verdict=verdict,
            standing_since_s=None if standing_s is None else now_s - standing_s,
            digest=SimpleNamespace(ranks=ranks),
        )
        return ends.reason(cast("Watched", watch), elapsed_s, now_s)


@pytest.fixture
def trial(tmp_path: Path) -> Ensemble:
    return Ensemble(tmp_path)


@pytest.fixture
def ends(tmp_path: Path) -> TrialEnds:
    return TrialEnds(tmp_path, task_timeout_s=30.0, trial_timeout_s=180.0)


HUNG = {("a", 1): RankState.LEAK}


def test_a_trial_without_a_hang_goes_on_until_its_time_is_up(trial: Ensemble, ends: TrialEnds) -> None:
    assert trial.reason(ends, Verdict.OK, None, {}) is None
    said = trial.reason(ends, Verdict.OK, None, {}, elapsed_s=180.0)
    assert said == ends.said == "it ran for 180 s (--trial-timeout)"


def test_a_hang_is_ended_once_all_other_tasks_have_ended_or_hung(trial: Ensemble, ends: TrialEnds) -> None:
    trial.task("a", 1, has_ended=False)
    trial.task("b", 2, has_ended=False)
    assert trial.reason(ends, Verdict.HANG, SETTLE_S, HUNG) is None
    assert trial.reason(ends, Verdict.HANG, SETTLE_S, {**HUNG, ("b", 2): RankState.PROVEN}) is not None
    trial.task("b", 2, has_ended=True)
    assert trial.reason(ends, Verdict.HANG, SETTLE_S - 0.1, HUNG) is None
    assert trial.reason(ends, Verdict.HANG, SETTLE_S, HUNG) == "every task has ended, or hangs"


def test_a_worker_that_has_gone_in_the_middle_of_its_task_is_not_waited_for(trial: Ensemble, ends: TrialEnds) -> None:
    trial.task("b", 2, has_ended=False)
    assert trial.reason(ends, Verdict.HANG, SETTLE_S, {**HUNG, ("b", 2): RankState.PROGRESSING}) is None
    assert trial.reason(ends, Verdict.HANG, SETTLE_S, {**HUNG, ("b", 2): RankState.EXITED}) is not None


def test_other_tasks_are_waited_for_no_longer_than_their_time(trial: Ensemble, ends: TrialEnds) -> None:
    trial.task("b", 2, has_ended=False)
    assert trial.reason(ends, Verdict.HANG, 0.0, HUNG) is None
    assert trial.reason(ends, Verdict.HANG, 29.9, HUNG, now_s=NOW_S + 29.9) is None
    said = trial.reason(ends, Verdict.HANG, 30.0, HUNG, now_s=NOW_S + 30.0)
    assert said is not None
    assert "--task-timeout" in said


def test_a_hang_that_was_none_is_forgotten(trial: Ensemble, ends: TrialEnds) -> None:
    trial.task("b", 2, has_ended=False)
    trial.reason(ends, Verdict.HANG, 0.0, HUNG)
    trial.reason(ends, Verdict.OK, None, {}, now_s=NOW_S + 10.0)
    assert trial.reason(ends, Verdict.HANG, 1.0, HUNG, now_s=NOW_S + 31.0) is None


def test_a_launcher_that_stays_when_all_tasks_have_ended_is_ended(trial: Ensemble, ends: TrialEnds) -> None:
    assert trial.reason(ends, Verdict.STALL, LEAVE_S, {}) is None  # nobody has had a task yet
    trial.task("a", 1, has_ended=True)
    assert trial.reason(ends, Verdict.STALL, LEAVE_S - 0.1, {}) is None
    assert trial.reason(ends, Verdict.STALL, LEAVE_S, {}) == "every task has ended, and the launcher has not"
    trial.task("b", 2, has_ended=False)
    assert trial.reason(ends, Verdict.STALL, LEAVE_S, {}) is None


@pytest.mark.parametrize("answers", [0, 1])
def test_while_the_marks_cannot_be_read_nobody_is_taken_to_have_ended(
    trial: Ensemble, ends: TrialEnds, answers: int
) -> None:
    class Dying(Patience):
        def get(self, job: Callable[[], T]) -> T | None:
            """Answer a few times, and then as a dead file system does."""
            nonlocal answers
            answers -= 1
            return job() if answers >= 0 else None

    trial.task("b", 2, has_ended=False)
    ends._patience = Dying()
    assert trial.reason(ends, Verdict.HANG, SETTLE_S, HUNG) is None
    assert trial.reason(ends, Verdict.HANG, SETTLE_S, HUNG, now_s=NOW_S + 30.0) is not None
