"""The score of every pair of counts, against the likelihood itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import xlog1py, xlogy
from scipy.stats import binom

from hangprobe.stats.scores import binomial, nuisances, scores


def most_likely(x: int, n: int, y: int, m: int, shift: float) -> float:
    """Return the likeliest rate of a among ten thousand, where that of b is `shift` less."""
    p = np.linspace(max(0.0, shift), min(1.0, 1 + shift), 10_001)
    q = np.clip(p - shift, 0, 1)
    return float(p[np.argmax(xlogy(x, p) + xlog1py(n - x, -p) + xlogy(y, q) + xlog1py(m - y, -q))])


@pytest.mark.parametrize("shift", [-0.7, -0.2, 0.0, 0.1, 0.45, 0.9])
@pytest.mark.parametrize(("n", "m"), [(5, 5), (7, 3), (2, 9)])
def test_the_score_is_the_distance_in_standard_errors_under_the_likeliest_rates(n: int, m: int, shift: float) -> None:
    found = scores(n, m, shift)
    for x in range(n + 1):
        for y in range(0, m + 1, 2):
            p = most_likely(x, n, y, m, shift)
            q = min(1.0, max(0.0, p - shift))
            distance = abs(x / n - y / m - shift)
            variance = p * (1 - p) / n + q * (1 - q) / m
            expected = distance / np.sqrt(variance) if distance > 1e-9 else 0.0
            assert found[x, y] == pytest.approx(expected, rel=2e-3, abs=1e-6), (x, y)


def test_counts_that_a_hypothesis_forbids_are_infinitely_far_out() -> None:
    found = scores(3, 3, 1.0)
    assert found[3, 0] == 0
    assert np.isinf(np.delete(found.ravel(), 12)).all()


@pytest.mark.parametrize("shift", [-1.0, -0.3, 0.0, 0.6, 1.0])
def test_the_rates_tried_differ_by_the_shift_and_reach_both_ends(shift: float) -> None:
    rates_a, rates_b = nuisances(shift)
    assert rates_a - rates_b == pytest.approx(shift)
    assert min(rates_a.min(), rates_b.min()) == pytest.approx(0, abs=1e-12)
    assert max(rates_a.max(), rates_b.max()) == pytest.approx(1)


def test_the_binomial_is_scipys_the_ends_included() -> None:
    rates = np.array([0.0, 0.2, 0.5, 1.0])
    expected = [binom.pmf(np.arange(8), 7, each) for each in rates]
    assert binomial(7, rates) == pytest.approx(np.array(expected), abs=1e-12)
