"""The boundaries of several looks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hangprobe.stats.crossing import _boundary, boundaries
from hangprobe.stats.scores import scores

FAR = np.array([[3.0, 3.0], [2.0, 0.0]])
LIKELY = np.array([[[0.03, 0.04], [0.01, 0.92]]])


@pytest.mark.parametrize(("left", "boundary"), [(0.05, math.inf), (0.07, 3.0), (0.075, 3.0), (0.08, 2.0), (1.0, 2.0)])
def test_equal_scores_cross_together_or_not_at_all(left: float, boundary: float) -> None:
    """And a score of 0, which is what the hypothesis expects, never crosses."""
    assert _boundary(FAR, LIKELY, np.array([left])) == boundary


def test_the_least_of_all_rates_decides() -> None:
    both = np.concatenate([LIKELY, LIKELY[:, :, ::-1]])
    assert _boundary(FAR, both, np.array([1.0, 0.07])) == 3.0
    assert _boundary(FAR, both, np.array([1.0, 0.01])) == math.inf


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_one_look_is_the_exact_test(shift: float) -> None:
    from hangprobe.stats.scores import p_value

    far = scores(7, 5, shift)
    boundary = boundaries([(7, 5)], [0.05], shift)[0]
    for (x, y), score in np.ndenumerate(far):
        assert (score >= boundary - 1e-9) == (p_value(x, 7, y, 5, shift) <= 0.05)


def test_a_look_that_may_spend_nothing_rejects_nothing_and_leaves_the_rest_as_it_was() -> None:
    first, second = boundaries([(4, 4), (9, 8)], [0.0, 0.05], 0.0)
    assert first == math.inf
    assert second == pytest.approx(boundaries([(9, 8)], [0.05], 0.0)[0])


def test_a_look_before_one_cell_has_started_rejects_nothing() -> None:
    first, second = boundaries([(4, 0), (8, 4)], [0.02, 0.05], 0.0)
    assert first == math.inf
    assert math.isfinite(second)
