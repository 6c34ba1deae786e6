"""A campaign that may stop early is told by its looks: when and why it stopped, with the intervals of its design."""

from __future__ import annotations

import pytest

from hangprobe.ensemble.records import Cell, Outcome, Planned
from hangprobe.report.comparison import html, markdown
from hangprobe.report.comparison.build import compare
from hangprobe.report.comparison.values import Comparison, Effect, Pair
from hangprobe.stats.sequential import decide

from .campaigns import BOTH, Kept, as_measured, flagship, may_stop, never_sure, sure_early, trials

MINUS = "\N{MINUS SIGN}"
ENDLESS = "the campaign has not ended"


def pair(comparison: Comparison, workload: str) -> Pair:
    (found,) = [each for each in comparison.pairs if each.first.workload == workload]
    return found


def until(kept: Kept, blocks: int) -> Kept:
    return kept[0], tuple(each for each in kept[1] if each.block <= blocks)


def test_a_campaign_without_looks_has_no_design() -> None:
    found = compare(*flagship(3))
    assert found.design is None
    assert {(each.level, each.known) for each in found.pairs} == {(0.95, None)}
    assert all(each.p_value is not None for each in found.pairs)
    assert "What was sure, and when" not in markdown.page(found)


def test_it_says_at_which_look_it_stopped_and_why() -> None:
    found = compare(*sure_early())
    assert found.design is not None
    assert (found.design.look, found.design.blocks, found.design.is_sure) == (2, 9, True)
    assert found.answer.notes[0] == (
        "Stopped early, sure at look 2 of 5, after block 9 of 20: the hang rates differ for `stdin-child`; the hang "
        "rates are less than 50 points apart for `flock`."
    )


def test_intervals_are_those_of_the_look_and_there_is_no_p_value() -> None:
    campaign, done = sure_early()
    found = pair(compare(campaign, done), "stdin-child")
    decision = decide(1, 9, 9, 0, 9, campaign.looks)
    assert (found.difference, found.low, found.high) == (-1.0, -decision.high, -decision.low)
    assert (found.p_value, found.adjusted_p) == (None, None)
    assert found.level == pytest.approx(0.975)
    assert (found.effect, found.known) == (Effect.CURES, "the rates differ")


def test_a_comparison_that_ended_by_the_margin_is_called_what_it_is() -> None:
    comparison = compare(*sure_early())
    assert pair(comparison, "flock").known == "less than 50 points apart"
    for text in (markdown.page(comparison), html.page(comparison, sure_early()[1])):
        assert "not sure" not in text.partition('id="figures"')[0]


def test_trials_after_the_look_are_not_needed_and_not_missing() -> None:
    campaign, done = sure_early()
    found = compare(campaign, done)
    assert {(each.missing, each.not_needed) for each in found.cells} == {(0, 11)}
    assert "88 planned trials not needed: it was sure after block 9." in found.answer.notes
    assert not any(ENDLESS in note for note in found.answer.notes)


def test_one_that_ends_without_being_sure_says_so() -> None:
    campaign, done = never_sure()
    assert len(done) == len(campaign.plan)
    found = compare(campaign, done)
    assert found.design is not None
    assert (found.design.look, found.design.is_sure) == (len(campaign.looks), False)
    first = found.answer.notes[0]
    assert first.startswith("Ran to its end, 20 blocks, without being sure: for `stdin-child` the difference may be ")
    assert first.endswith(f"{MINUS}60 to +6 points.")
    assert pair(found, "stdin-child").known == "not sure"
    assert not any(ENDLESS in note or "not needed" in note for note in found.answer.notes)


def test_one_that_is_interrupted_between_looks_shows_the_last_one() -> None:
    kept = until(never_sure(), 10)
    found = compare(*kept)
    assert found.answer.notes[0].startswith("Not sure yet at look ")
    assert any(ENDLESS in note for note in found.answer.notes)
    blocks = found.design.blocks if found.design is not None else None
    assert blocks is not None
    assert blocks < 10
    assert pair(found, "stdin-child").low == pair(compare(*until(kept, blocks)), "stdin-child").low


def test_before_the_first_look_no_difference_is_told() -> None:
    found = compare(*until(sure_early(), 2))
    assert found.answer.notes[0] == "No look has been taken yet: the first of 5 comes after block 5 of 20."
    assert {each.difference for each in found.pairs} == {None}
    assert pair(found, "stdin-child").effect is Effect.UNDECIDED
    assert "2 of 2 hung → 0 of 2)" in found.answer.sentence


def test_no_cure_is_claimed_if_trials_of_the_other_launcher_end_otherwise() -> None:
    """The plain rates differ at the first look; with its stalled trials counted as hung they do not."""

    def ending(planned: Planned) -> Outcome:
        if planned.cell == Cell(BOTH[1], "stdin-child"):
            return Outcome.STALLED
        return as_measured(planned)

    found = compare(*may_stop(("stdin-child",), ending=ending))
    assert found.design is not None
    assert found.design.is_sure
    assert pair(found, "stdin-child").effect is Effect.UNDECIDED
    assert "did not complete for other reasons" in found.answer.sentence


def test_launchers_known_to_be_close_are_not_called_too_few_trials() -> None:
    def ending(planned: Planned) -> Outcome:
        if planned.cell.workload != "stdin-child":
            return as_measured(planned)
        return Outcome.HUNG if planned.block == 2 and planned.cell.launcher == "mpiexec" else Outcome.COMPLETED

    found = compare(*may_stop(("stdin-child",), ending=ending))
    assert pair(found, "stdin-child").why == "the rates are less than 50 points apart, and no more was to be known"


def test_every_comparison_stands_in_markdown_with_its_interval() -> None:
    found = compare(*sure_early())
    page = markdown.page(found)
    assert (
        f"| stdin-child | repaired GnuParallelLauncher | {MINUS}100 [{MINUS}100, {MINUS}44] | the rates differ |"
        in page
    )
    assert "difference [97.5 %]" in page
    assert "72 trials in 9 of at most 20 blocks" in page


def test_the_page_has_the_look_and_no_p_value() -> None:
    campaign, done = sure_early()
    page = html.page(compare(campaign, done), done)
    assert "sure at look <b>2</b> of 5, after block 9" in page
    assert "p, Holm" not in page
    assert "difference [97.5 %]" in page
    plan, made = flagship(2)
    assert "p, Holm" in html.page(compare(plan, made), made)


def test_the_level_together_is_that_of_all_comparisons_asked_for() -> None:
    found = compare(*sure_early())
    assert found.design is not None
    assert found.design.together == pytest.approx(0.95)
    assert any("97.5 % each and 95 % together" in note for note in found.answer.notes)


def test_a_plan_that_nothing_was_made_of_says_that_no_look_was_taken() -> None:
    campaign, _ = sure_early()
    found = compare(campaign, ())
    assert found.answer.sentence == "No trial has been run yet."
    assert sum(each.missing for each in found.cells) == len(campaign.plan) == len(trials(campaign))
