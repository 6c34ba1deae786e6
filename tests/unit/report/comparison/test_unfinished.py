"""Workloads that never complete and are not called hung: told by their outcome, and in no rate."""

from __future__ import annotations

import pytest

from hangprobe.ensemble.records import Cell, Outcome, Planned
from hangprobe.report.comparison import html, markdown
from hangprobe.report.comparison.build import compare
from hangprobe.report.comparison.values import Comparison, Effect

from .campaigns import BOTH, as_measured, campaign, controls, ends_nowhere, flagship, trials

OTHER = "the repaired GnuParallelLauncher"


def ended(first: Outcome, second: Outcome, blocks: int = 20, but: tuple[int, Outcome] | None = None) -> Comparison:
    """Return a campaign whose workload ends so under both launchers; `but`: in one block otherwise under the second."""
    plan = campaign([Cell(name, "x:y") for name in BOTH], blocks, controls(BOTH))

    def ending(planned: Planned) -> Outcome:
        if planned.control:
            return as_measured(planned)
        if planned.cell.launcher == BOTH[0]:
            return first
        return but[1] if but is not None and planned.block == but[0] else second

    return compare(plan, trials(plan, ending))


def test_what_ends_under_neither_is_named_with_its_outcome() -> None:
    found = compare(*ends_nowhere())
    says = (
        "`kept-stdout` does not end under either: 20 of 20 stalled under MpiExecLauncher, 20 of 20 stalled under "
        f"{OTHER}; only a hang is counted as one."
    )
    assert says in found.answer.notes
    assert f"- {says}" in markdown.not_cured(found)
    assert "kept-stdout</code> does not end under either" in html.page(found, ends_nowhere()[1])


def test_what_ends_under_one_launcher_only_has_a_sentence_and_is_not_called_incurable() -> None:
    found = compare(*ends_nowhere())
    says = f"`x:y` does not end under MpiExecLauncher (20 of 20 stalled) and does under {OTHER} (20 of 20 completed)"
    assert any(note.startswith(says) for note in found.answer.notes)
    assert "x:y" not in markdown.not_cured(found)


def test_only_hung_counts_as_hung() -> None:
    found = compare(*ends_nowhere())
    assert {each.rate.hung for each in found.cells if each.control is None} == {0}
    effects = {each.first.workload: each.effect for each in found.pairs}
    assert effects["kept-stdout"] is effects["x:y"] is Effect.NOT_REPRODUCED


@pytest.mark.parametrize("outcome", [Outcome.TASK_FAILED, Outcome.WORKER_LOST])
def test_what_ended_badly_is_not_said_not_to_end(outcome: Outcome) -> None:
    (found,) = ended(outcome, outcome).unfinished
    assert found.says.startswith("`x:y` does not complete under either: 20 of 20 ")


def test_a_hang_here_and_a_stall_there_end_under_neither() -> None:
    (found,) = ended(Outcome.HUNG, Outcome.STALLED).unfinished
    assert found.is_neither
    assert "20 of 20 hung under MpiExecLauncher, 20 of 20 stalled under" in found.says


@pytest.mark.parametrize("second", [Outcome.LAUNCHER_FAILED, Outcome.NOT_REGISTERED, Outcome.INFRASTRUCTURE])
def test_a_launcher_under_which_it_never_ran_says_nothing(second: Outcome) -> None:
    assert ended(Outcome.STALLED, second).unfinished == ()


def test_one_trial_that_completed_is_enough_to_say_nothing() -> None:
    assert ended(Outcome.STALLED, Outcome.STALLED, but=(3, Outcome.COMPLETED)).unfinished == ()


def test_hangs_are_told_as_hangs() -> None:
    assert compare(*flagship(5)).unfinished == ()
    assert ended(Outcome.HUNG, Outcome.HUNG).unfinished == ()
    assert ended(Outcome.HUNG, Outcome.COMPLETED).unfinished == ()
    assert ended(Outcome.COMPLETED, Outcome.HUNG).unfinished == ()


def test_what_ends_under_a_third_launcher_is_not_said_to_be_cured_by_none() -> None:
    names = (*BOTH, "srun")
    plan = campaign([Cell(name, "x:y") for name in names], 5, controls(names))

    def ending(planned: Planned) -> Outcome:
        if planned.control or planned.cell.launcher == "srun":
            return as_measured(planned)
        return Outcome.STALLED

    found = compare(plan, trials(plan, ending))
    assert {(each.second.launcher, each.is_neither) for each in found.unfinished} == {(BOTH[1], True), ("srun", False)}
    assert "x:y" not in markdown.not_cured(found)
