"""Ratios of times, with bootstrap intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hangprobe.stats.ratios import FEWEST, ratio_in_blocks, ratio_of

TIMES = st.lists(st.floats(0.1, 100), min_size=6, max_size=12)


def test_the_estimate_is_the_ratio_of_geometric_means() -> None:
    assert ratio_of([1, 4], [1, 1, 1]).estimate == pytest.approx(2.0)


def test_which_cell_is_the_divisor_only_inverts_the_ratio() -> None:
    a, b = [1.9, 2.2, 2.0, 3.1, 2.4, 2.1], [1.1, 1.3, 0.9, 1.0, 1.2, 1.6]
    found, turned = ratio_of(a, b), ratio_of(b, a)
    assert found.low is not None
    assert found.high is not None
    assert turned.high is not None
    assert found.estimate == pytest.approx(1 / turned.estimate) if turned.estimate else False
    assert 1 < found.low < found.high
    assert found.low == pytest.approx(1 / turned.high, rel=0.03)


def test_the_same_seed_gives_the_same_interval_and_another_one_nearly() -> None:
    a, b = [1.9, 2.2, 2.0, 3.1, 2.4, 2.1], [1.1, 1.3, 0.9, 1.0, 1.2, 1.6]
    first, other = ratio_of(a, b), ratio_of(a, b, seed=7)
    assert first == ratio_of(a, b)
    assert first.low != other.low
    assert first.low == pytest.approx(other.low, rel=0.03)


@pytest.mark.parametrize(
    ("a", "b", "estimate", "why"),
    [
        ([], [1.0], None, "no completed trial"),
        ([2.0], [1.0], 2.0, "1 value: too few for an interval, which takes 5"),
        ([2.0] * 9, [1.0, 1.0], 2.0, "2 values: too few for an interval, which takes 5"),
        ([2.0] * 6, [1.0] * 6, 2.0, "all values are alike, so how they would vary is not known"),
    ],
)
def test_where_nothing_is_known_of_the_spread_there_is_no_interval(
    a: list[float], b: list[float], estimate: float | None, why: str
) -> None:
    found = ratio_of(a, b)
    assert (found.low, found.high, found.why) == (None, None, why)
    assert found.estimate == (None if estimate is None else pytest.approx(estimate))
    assert (found.n_a, found.n_b) == (len(a), len(b))


def test_one_constant_sample_is_no_hindrance() -> None:
    found = ratio_of([1.0] * 6, [2.0, 3.0, 2.0, 3.0, 2.0, 3.0])
    assert found.low is not None
    assert found.high is not None
    assert 1 / 3 <= found.low < found.high <= 1 / 2


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_what_has_no_logarithm_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="only positive values"):
        ratio_of([1.0, value], [1.0])


@settings(max_examples=20, deadline=None)
@given(TIMES, TIMES)
@example([1.0] * 5 + [3.0], [1.0] * 5 + [3.0])
def test_the_interval_holds_the_estimate_and_scales(a: list[float], b: list[float]) -> None:
    found, scaled = ratio_of(a, b), ratio_of([2 * each for each in a], b)
    if found.low is None or found.high is None:
        return
    assert found.estimate is not None
    assert found.low <= found.estimate * (1 + 1e-9)
    assert found.estimate <= found.high * (1 + 1e-9)
    assert scaled.low == pytest.approx(2 * found.low, rel=1e-6)


def test_within_blocks_what_slows_a_whole_block_cancels_out() -> None:
    slow = {block: 10.0 ** (block % 3) for block in range(1, 13)}
    a = {block: 1.5 * each * (1 + 0.01 * (block % 5)) for block, each in slow.items()}
    paired, apart = ratio_in_blocks(a, slow), ratio_of(list(a.values()), list(slow.values()))
    assert paired.estimate == pytest.approx(apart.estimate)
    assert paired.is_paired
    assert paired.low is not None
    assert apart.low is not None
    assert paired.low > 1.5
    assert apart.low < 1


def test_only_blocks_in_which_both_completed_count() -> None:
    found = ratio_in_blocks({1: 2.0, 2: 4.0, 3: 9.0}, {2: 2.0, 3: 3.0, 4: 7.0})
    assert (found.n_a, found.n_b) == (2, 2)
    assert found.estimate == pytest.approx(math.sqrt(6))
    assert ratio_in_blocks({1: 2.0}, {2: 2.0}).estimate is None


@pytest.mark.parametrize(("size", "is_skewed"), [(FEWEST, False), (8, True)])
def test_the_interval_of_few_trials_covers_about_as_often_as_it_says(size: int, is_skewed: bool) -> None:
    """Without the widening it is 87 to 91 % at these sizes."""
    source = np.random.default_rng(5)
    hits = 0
    for _ in range(150):
        a, b = (2 + source.gamma(1, 1, size) if is_skewed else source.lognormal(0, 0.3, size) for _ in "ab")
        found = ratio_of(list(a), list(b))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 1 <= found.high
    # 0.93 less 2 standard errors of 150 draws; the widened interval has 0.96 at both
    assert hits / 150 >= 0.93
