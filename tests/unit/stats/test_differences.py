"""The difference of two hang rates: the exact test, and the interval that belongs to it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import barnard_exact, binom

from hangprobe.stats.differences import Difference, difference
from hangprobe.stats.rates import rate

SOME = st.integers(1, 8).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
Count = tuple[int, int]


def between(a: Count, b: Count, level: float = 0.95) -> Difference:
    return difference(rate(*a), rate(*b), level)


@pytest.mark.parametrize(
    ("a", "b", "p_value"),
    [
        # Suissa and Shuster, JRSS A 148 (1985) 317: 7 of 15 against 12 of 15, one-sided 0.0341; at equal n twice that
        ((7, 15), (12, 15), 0.0682),
        # all against nothing is likeliest where every trial hangs with 1/2: 2 / 2^(2n)
        ((3, 3), (0, 3), 2 / 2**6),
        ((5, 5), (0, 5), 2 / 2**10),
        ((20, 20), (0, 20), 2 / 2**40),
        ((4, 9), (4, 9), 1.0),
        ((0, 20), (0, 20), 1.0),
    ],
)
def test_the_p_value_is_the_published_one(a: Count, b: Count, p_value: float) -> None:
    assert between(a, b).p_value == pytest.approx(p_value, rel=5e-4)


@pytest.mark.parametrize(("a", "b"), [((6, 20), (0, 20)), ((2, 7), (9, 10)), ((3, 12), (5, 6)), ((7, 9), (5, 17))])
def test_the_p_value_is_scipys(a: Count, b: Count) -> None:
    theirs = barnard_exact([[a[0], b[0]], [a[1] - a[0], b[1] - b[0]]]).pvalue
    # both search for a maximum: neither may find much less than the other
    assert between(a, b).p_value == pytest.approx(theirs, rel=5e-3)


def squared_score(x: int, n: int, y: int, m: int) -> Fraction:
    """Return the square of the pooled z, exactly."""
    pooled = Fraction(x + y, n + m)
    variance = pooled * (1 - pooled) * (Fraction(1, n) + Fraction(1, m))
    return (Fraction(x, n) - Fraction(y, m)) ** 2 / variance if variance else Fraction(0)


@pytest.mark.parametrize(("a", "b"), [((11, 17), (4, 13)), ((9, 13), (5, 19)), ((2, 7), (9, 10))])
def test_counts_that_are_exactly_as_far_out_are_in_the_p_value(a: Count, b: Count) -> None:
    """By rational numbers. scipy 1.17 loses some of them to rounding: 0.066 for the first, which is 0.074."""
    (x, n), (y, m) = a, b
    is_as_far = [[squared_score(i, n, j, m) >= squared_score(x, n, y, m) for j in range(m + 1)] for i in range(n + 1)]
    chances = [
        np.outer(binom.pmf(np.arange(n + 1), n, p), binom.pmf(np.arange(m + 1), m, p))[np.array(is_as_far)].sum()
        for p in np.linspace(0, 1, 501)
    ]
    assert between(a, b).p_value == pytest.approx(max(chances), rel=5e-3)


def test_all_against_nothing_is_a_difference_after_three_trials() -> None:
    assert between((3, 3), (0, 3)).low > 0
    assert between((2, 2), (0, 2)).low < 0


def test_a_cell_without_a_trial_leaves_everything_open() -> None:
    found = between((0, 0), (3, 3))
    assert (found.estimate, found.low, found.high, found.p_value) == (None, -1.0, 1.0, 1.0)


@settings(max_examples=20, deadline=None)
@given(SOME, SOME)
def test_the_interval_holds_the_estimate_and_agrees_with_the_test(a: Count, b: Count) -> None:
    found = between(a, b)
    assert found.estimate is not None
    assert -1 <= found.low <= found.estimate <= found.high <= 1
    if found.p_value > 0.05:
        assert found.low <= 0 <= found.high


@settings(max_examples=20, deadline=None)
@given(SOME, SOME)
def test_exchanging_the_cells_turns_the_sign(a: Count, b: Count) -> None:
    found, turned = between(a, b), between(b, a)
    assert (found.low, found.high) == pytest.approx((-turned.high, -turned.low), abs=1e-5)
    assert found.p_value == pytest.approx(turned.p_value)


@settings(max_examples=20, deadline=None)
@given(SOME, SOME)
def test_more_confidence_widens_the_interval(a: Count, b: Count) -> None:
    usual, surer = between(a, b, 0.9), between(a, b, 0.99)
    assert surer.low <= usual.low + 1e-5
    assert usual.high <= surer.high + 1e-5


@pytest.mark.parametrize("n", [3, 5, 10, 20, 40])
def test_more_trials_raise_the_lower_end(n: int) -> None:
    assert between((2 * n, 2 * n), (0, 2 * n)).low > between((n, n), (0, n)).low


@pytest.mark.parametrize(("n_a", "n_b"), [(6, 6), (8, 4)])
def test_at_no_true_rates_the_interval_covers_less_often_than_it_says(n_a: int, n_b: int) -> None:
    """Exact, not simulated: all pairs of counts, weighted by their probability at 41 x 41 pairs of true rates."""
    found = [[between((x, n_a), (y, n_b)) for y in range(n_b + 1)] for x in range(n_a + 1)]
    low, high = (np.array([[getattr(each, end) for each in row] for row in found]) for end in ("low", "high"))
    rates = np.linspace(0, 1, 41)
    coverage = []
    for p in rates:
        for q in rates:
            chance = np.outer(binom.pmf(np.arange(n_a + 1), n_a, p), binom.pmf(np.arange(n_b + 1), n_b, q))
            coverage.append(chance[(low <= p - q + 1e-9) & (p - q <= high + 1e-9)].sum())
    assert min(coverage) >= 0.9499
    assert np.mean(coverage) <= 0.985, "wider than an exact interval needs to be"
