"""Stopping early: the error rate is held over all looks, and the interval covers whenever one stops."""

from __future__ import annotations

from functools import cache
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from hangprobe.ensemble.records import Look
from hangprobe.stats.crossing import Sizes, boundaries
from hangprobe.stats.scores import scores
from hangprobe.stats.sequential import Decision, decide, looks

CAMPAIGNS = 40_000
PLAN = looks(20)
AS_PLANNED = [(look.blocks, look.blocks) for look in PLAN]
SOME_LOST = [(4, 4), (8, 7), (12, 11), (15, 13), (19, 17)]


def spent(plan: tuple[Look, ...]) -> list[float]:
    return list(accumulate(look.alpha for look in plan))


def ever_rejected(sizes: Sizes, rate_a: float, rate_b: float, shift: float) -> float:
    """Return how many of simulated campaigns reject a difference of `shift` at any look."""
    source = np.random.default_rng(11)
    hung_a, hung_b, is_rejected = (np.zeros(CAMPAIGNS, kind) for kind in (int, int, bool))
    before_a = before_b = 0
    for (n_a, n_b), boundary in zip(sizes, boundaries(sizes, spent(PLAN), shift), strict=True):
        hung_a += source.binomial(n_a - before_a, rate_a, CAMPAIGNS)
        hung_b += source.binomial(n_b - before_b, rate_b, CAMPAIGNS)
        before_a, before_b = n_a, n_b
        is_rejected |= scores(n_a, n_b, shift)[hung_a, hung_b] >= boundary - 1e-9
    return float(is_rejected.mean())


def within(error: float) -> float:
    """Return an error rate and three standard errors of its simulation."""
    return error + 3 * float(np.sqrt(error * (1 - error) / CAMPAIGNS))


def test_the_looks_of_twenty_blocks() -> None:
    # Lan and DeMets 1983, Pocock type: 0.05 ln(1 + (e - 1) t)
    assert [look.blocks for look in PLAN] == [4, 8, 12, 16, 20]
    assert spent(PLAN) == pytest.approx([0.01477, 0.02616, 0.03543, 0.04324, 0.05], abs=1e-5)


@given(st.integers(1, 300), st.floats(0.001, 0.2))
def test_a_plan_ends_with_its_blocks_and_spends_no_more_than_alpha(blocks: int, alpha: float) -> None:
    plan = looks(blocks, alpha)
    at = [look.blocks for look in plan]
    assert at == sorted(set(at))
    assert at[-1] == blocks
    assert 1 <= len(plan) <= 5
    assert sum(look.alpha for look in plan) == pytest.approx(alpha)
    assert all(look.alpha > 0 for look in plan)


@pytest.mark.parametrize(("blocks", "alpha"), [(0, 0.05), (5, 0.0), (5, 1.0)])
def test_a_plan_that_cannot_be_is_refused(blocks: int, alpha: float) -> None:
    with pytest.raises(ValueError, match="at least one block"):
        looks(blocks, alpha)


@pytest.mark.parametrize("blocks", [3, 5, 10, 20, 60, 100])
def test_all_against_nothing_stops_at_the_first_look(blocks: int) -> None:
    plan = looks(blocks)
    first = plan[0].blocks
    assert decide(0, first, first, 0, first, plan).may_stop
    assert decide(0, 0, first, first, first, plan).may_stop
    assert not decide(0, first, first, first, first, plan).may_stop


def test_the_sentence_says_when_and_how_much() -> None:
    assert decide(0, 4, 4, 0, 4, PLAN).says == (
        "after 4 of 20 blocks 4 of 4 against 0 of 4 hung: the rates differ, by +12 to +100 percentage points"
        " (95 % confidence, adjusted for 5 looks)"
    )
    assert "not sure yet" in decide(0, 2, 4, 1, 4, PLAN).says
    assert "no difference is shown" in decide(4, 0, 20, 0, 20, PLAN).says


def test_a_difference_known_to_be_small_is_called_that_and_not_unsure() -> None:
    far, close = decide(0, 4, 4, 4, 4, PLAN, margin=0.5), decide(2, 12, 12, 12, 12, PLAN, margin=0.5)
    assert (far.is_close, close.is_close, close.may_stop) == (False, True, False)
    assert "not sure yet" in far.says
    assert ": the rates differ by less than 50 percentage points, the difference is -" in close.says
    assert not decide(2, 12, 12, 12, 12, PLAN).is_close
    assert (far.low, far.high) == (decide(0, 4, 4, 4, 4, PLAN).low, decide(0, 4, 4, 4, 4, PLAN).high)


@pytest.mark.parametrize(("hung_a", "hung_b", "margin"), [(12, 0, 0.99), (12, 12, 0.3)])
def test_an_interval_that_reaches_the_margin_on_either_side_is_not_close(
    hung_a: int, hung_b: int, margin: float
) -> None:
    for a, b in ((hung_a, hung_b), (hung_b, hung_a)):
        assert not decide(2, a, 12, b, 12, PLAN, margin=margin).is_close


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.1, 0.3, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("sizes", [AS_PLANNED, SOME_LOST], ids=["as-planned", "some-lost"])
def test_equal_rates_are_called_different_in_five_percent_of_campaigns_at_most(sizes: Sizes, rate: float) -> None:
    assert ever_rejected(sizes, rate, rate, 0.0) <= within(0.05)


@pytest.mark.parametrize(("rate_a", "rate_b"), [(0.33, 0.0), (0.95, 0.05), (0.61, 0.17), (0.5, 0.45), (1.0, 0.7)])
@pytest.mark.parametrize("sizes", [AS_PLANNED, SOME_LOST], ids=["as-planned", "some-lost"])
def test_the_true_difference_is_outside_an_interval_in_five_percent_at_most(
    sizes: Sizes, rate_a: float, rate_b: float
) -> None:
    assert ever_rejected(sizes, rate_a, rate_b, rate_a - rate_b) <= within(0.05)


def test_the_error_rate_is_used_and_not_only_held() -> None:
    assert ever_rejected(AS_PLANNED, 0.5, 0.5, 0.0) >= 0.04


def test_looking_five_times_without_a_plan_would_err_more_often() -> None:
    """What the boundaries are for: the same looks, each at 5 %."""
    alone = [boundaries([size], [0.05], 0.0)[0] for size in AS_PLANNED]
    source = np.random.default_rng(11)
    trials = source.random((2, CAMPAIGNS, 20)) < 0.5
    hung = [trials[:, :, :n].sum(axis=2) for n, _ in AS_PLANNED]
    each = [scores(n, n, 0.0)[a, b] >= c for (n, _), (a, b), c in zip(AS_PLANNED, hung, alone, strict=True)]
    assert np.any(each, axis=0).mean() > 0.08


SHORT = looks(4)


@cache
def decided(index: int, hung_a: int, hung_b: int) -> Decision:
    n = SHORT[index].blocks
    return decide(index, hung_a, n, hung_b, n, SHORT)


def stops(rate_a: float, rate_b: float) -> list[tuple[float, Decision]]:
    """Return with which chance a campaign of four blocks ends with which decision: exact, by enumeration."""
    alive, ended, before = np.ones((1, 1)), [], 0
    for index, look in enumerate(SHORT):
        new, n = look.blocks - before, look.blocks
        chance_a, chance_b = (binom.pmf(np.arange(new + 1), new, each) for each in (rate_a, rate_b))
        grown = np.zeros((n + 1, n + 1))
        for (a, b), chance in np.ndenumerate(alive):
            grown[a : a + new + 1, b : b + new + 1] += chance * np.outer(chance_a, chance_b)
        for (a, b), chance in np.ndenumerate(grown):
            decision = decided(index, a, b)
            if decision.may_stop or look is SHORT[-1]:
                ended.append((float(chance), decision))
                grown[a, b] = 0
        alive, before = grown, n
    return ended


@pytest.mark.parametrize("rate_a", [0.0, 0.05, 0.3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("rate_b", [0.0, 0.2, 0.5, 0.95])
def test_the_interval_at_the_stop_covers_as_often_as_it_says(rate_a: float, rate_b: float) -> None:
    ended = stops(rate_a, rate_b)
    assert sum(chance for chance, _ in ended) == pytest.approx(1.0)
    covered = sum(chance for chance, each in ended if each.low - 1e-6 <= rate_a - rate_b <= each.high + 1e-6)
    assert covered >= 0.9499


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1), st.data())
def test_a_decision_is_the_same_for_exchanged_cells(index: int, data: st.DataObject) -> None:
    n = SHORT[index].blocks
    hung_a, hung_b = data.draw(st.integers(0, n)), data.draw(st.integers(0, n))
    found, turned = decided(index, hung_a, hung_b), decided(index, hung_b, hung_a)
    assert found.low <= (hung_a - hung_b) / n <= found.high
    assert found.may_stop == turned.may_stop == (not found.low <= 0 <= found.high)
    assert (found.low, found.high) == pytest.approx((-turned.high, -turned.low), abs=1e-5)


def test_a_cell_without_a_started_trial_decides_nothing() -> None:
    found = decide(1, 0, 0, 8, 8, PLAN)
    assert (found.may_stop, found.low, found.high) == (False, -1.0, 1.0)
    assert "nothing can be said" in found.says


def test_a_cell_that_started_late_is_judged_by_what_it_has() -> None:
    assert decide(1, 0, 4, 8, 8, PLAN, earlier=[(0, 4)]).may_stop


@pytest.mark.parametrize(
    ("index", "a", "b", "earlier"),
    [
        (5, (4, 4), (0, 4), None),
        (-1, (4, 4), (0, 4), None),
        (0, (5, 4), (0, 4), None),
        (1, (8, 8), (0, 8), [(9, 8)]),
        (1, (8, 8), (0, 8), []),
    ],
)
def test_a_look_that_cannot_be_is_refused(
    index: int, a: tuple[int, int], b: tuple[int, int], earlier: list[tuple[int, int]] | None
) -> None:
    with pytest.raises(ValueError, match=r"look|cannot"):
        decide(index, *a, *b, PLAN, earlier)
