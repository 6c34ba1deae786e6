"""The first sentence says what the figures say, and no more."""

from __future__ import annotations

import pytest

from hangprobe.ensemble.records import Cell, Outcome, Planned
from hangprobe.report.comparison.build import compare
from hangprobe.report.comparison.values import Comparison, Effect

from .campaigns import (
    BOTH,
    as_measured,
    as_shipped,
    campaign,
    control_failed,
    controls,
    flagship,
    many_cells,
    nothing_hung,
    old_parsl,
    one_trial,
    trials,
)


def effects(comparison: Comparison) -> dict[tuple[str, str], Effect]:
    return {(each.second.launcher, each.first.workload): each.effect for each in comparison.pairs}


def test_flagship_is_cured_and_what_is_not_cured_is_named() -> None:
    found = compare(*flagship())
    assert found.answer.sentence.startswith(
        "Replacing MpiExecLauncher by the repaired GnuParallelLauncher cures the hang of `stdin-child` "
        "(20 of 20 hung → 0 of 20, difference \N{MINUS SIGN}100 points [\N{MINUS SIGN}100, \N{MINUS SIGN}"
    )
    assert found.answer.sentence.endswith(
        "; it does not cure `openmp`, `flock` and `thread-lock` (20 of 20 → 20 of 20 each)."
    )
    assert found.answer.has_evidence
    assert "A cure is no promise: 0 of 20 only bounds the rate below 14 % (95 % confidence)." in found.answer.notes


def test_why_names_descriptor_0_and_who_holds_it() -> None:
    (found,) = compare(*flagship()).contexts
    assert found.why is not None
    assert "descriptor 0 (standard input) of the managers on node[02-03]" in found.why
    assert "pipe, write end held by hydra_pmi_proxy" in found.why
    assert "pipe, write end closed" in found.why


def test_nothing_hung_is_not_called_a_cure() -> None:
    found = compare(*nothing_hung())
    assert found.answer.sentence.startswith("No hang of `stdin-child` was reproduced here: 0 of 20 trials hung under")
    assert "only bounds the rate below 14 %" in found.answer.sentence
    assert found.recommendations == ()


def test_launcher_that_fails_by_itself_cures_nothing() -> None:
    found = compare(*as_shipped())
    assert effects(found)["gnu-parallel", "stdin-child"] is Effect.NO_EVIDENCE
    assert effects(found)["gnu-parallel-repaired", "stdin-child"] is Effect.CURES
    assert any("60 as launcher failed" in note and "are not dropped" in note for note in found.answer.notes)
    (failure,) = found.failures
    assert failure.words[0].startswith("parallel: Error: Run 'parallel --record-env'")
    (cell,) = [e for e in found.cells if (e.cell.launcher, e.cell.workload) == ("gnu-parallel", "stdin-child")]
    assert (cell.rate.hung, cell.rate.started, cell.outcomes) == (0, 20, {"launcher-failed": 20})


@pytest.mark.parametrize("failing", [8, 20])
def test_cure_is_not_claimed_if_too_many_trials_end_otherwise(failing: int) -> None:
    """Six of 20 that hung against none, with some that did not complete: those might have hung."""
    plan = campaign([Cell(name, "stdin-child") for name in BOTH], 20, controls(BOTH))

    def ending(planned: Planned) -> Outcome:
        if planned.control:
            return as_measured(planned)
        if planned.cell.launcher == "mpiexec":
            return Outcome.HUNG if planned.block <= 12 else Outcome.COMPLETED
        return Outcome.STALLED if planned.block <= failing else Outcome.COMPLETED

    found = compare(plan, trials(plan, ending))
    assert effects(found)["gnu-parallel-repaired", "stdin-child"] is Effect.UNDECIDED
    assert f"{failing} of 20 did not complete for other reasons" in found.answer.sentence


def test_one_trial_settles_nothing() -> None:
    found = compare(*one_trial())
    assert found.answer.sentence.startswith("Whether replacing MpiExecLauncher by")
    assert "cannot be told: too few trials; it does not cure `thread-lock`" in found.answer.sentence


def test_rarer_is_not_cured() -> None:
    plan = campaign([Cell(name, "stdin-child") for name in BOTH], 20, controls(BOTH))

    def ending(planned: Planned) -> Outcome:
        if planned.cell.workload == "stdin-child" and planned.cell.launcher != "mpiexec" and planned.block == 3:
            return Outcome.HUNG
        return as_measured(planned)

    found = compare(plan, trials(plan, ending))
    assert effects(found)["gnu-parallel-repaired", "stdin-child"] is Effect.RARER
    assert "makes rarer, and does not cure, the hang of `stdin-child`" in found.answer.sentence
    assert not any(each.is_measured for each in found.recommendations)


def test_hang_that_another_launcher_brings_is_said() -> None:
    plan = campaign([Cell(name, "stdin-child") for name in BOTH], 20, controls(BOTH))

    def ending(planned: Planned) -> Outcome:
        if planned.cell.workload == "stdin-child":
            return Outcome.COMPLETED if planned.cell.launcher == "mpiexec" else Outcome.HUNG
        return as_measured(planned)

    found = compare(plan, trials(plan, ending))
    assert "brings a hang of `stdin-child` (0 of 20 hung → 20 of 20" in found.answer.sentence


def test_blocks_whose_control_failed_are_excluded_and_that_is_said() -> None:
    found = compare(*control_failed(blocks=10, bad=3))
    (cell,) = [e for e in found.cells if (e.cell.launcher, e.cell.workload) == ("mpiexec", "stdin-child")]
    assert (cell.rate.hung, cell.rate.started, cell.excluded) == (7, 7, 3)
    assert [each.number for each in found.blocks if not each.is_evidence] == [1, 2, 3]
    assert any(note.startswith("3 of 10 blocks excluded") for note in found.answer.notes)


def test_controls_are_counted_over_all_blocks() -> None:
    found = compare(*control_failed(blocks=10, bad=3))
    must = [each for each in found.cells if each.control == "must-hang"]
    assert [(each.rate.hung, each.rate.started) for each in must] == [(7, 10), (7, 10)]


def test_campaign_without_evidence_answers_nothing() -> None:
    found = compare(*control_failed(blocks=4, bad=4))
    assert found.answer.sentence.startswith("This campaign is no evidence: in none of its 4 blocks")
    assert not found.answer.has_evidence


def test_campaign_that_has_not_begun_says_so() -> None:
    plan, _ = flagship(2)
    found = compare(plan, ())
    assert found.answer.sentence == "No trial has been run yet."
    assert sum(each.missing for each in found.cells) == len(plan.plan)


def test_one_launcher_is_told_and_not_compared() -> None:
    plan = campaign([Cell("mpiexec", "stdin-child")], 3, controls(("mpiexec",)))
    found = compare(plan, trials(plan))
    assert found.answer.sentence == "Under MpiExecLauncher: `stdin-child` 3 of 3 hung; no other launcher was compared."


def test_interrupted_campaign_says_what_is_missing() -> None:
    plan, done = flagship(4)
    found = compare(plan, done[:25])
    assert any("planned trials not run: the campaign has not ended." in note for note in found.answer.notes)


def test_log_that_is_wrong_about_start_methods_is_told() -> None:
    notes = compare(*old_parsl()).answer.notes
    wrong = "logs that its workers are started by spawn; they were seen to be started by fork."
    assert [note for note in notes if wrong in note] == [f"Parsl 2023.10.23 {wrong}"]


def test_every_trial_is_in_some_figure() -> None:
    plan, done = many_cells()
    found = compare(plan, done)
    assert sum(sum(each.outcomes.values()) + each.excluded for each in found.cells) == len(done)


def test_remedies_are_those_of_the_findings_and_not_called_measured() -> None:
    found = compare(*flagship())
    assert ("launcher-stdin", "stdin-devnull") in {(each.mechanism, each.mitigation) for each in found.remedies}
    assert [each.is_measured for each in found.recommendations] == [True, False, False]


def test_recommended_code_is_python() -> None:
    for each in compare(*flagship()).recommendations:
        compile(each.code, each.title, "exec")
