"""Hang rates: published intervals, and what a count allows to claim."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.stats.rates import bound_sentence, fewest_trials, rate

COUNTS = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("hung", "started", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 5
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0000, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_the_interval_is_clopper_and_pearsons(hung: int, started: int, low: float, high: float) -> None:
    found = rate(hung, started)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_nothing_started_says_nothing() -> None:
    found = rate(0, 0)
    assert (found.low, found.high, found.share) == (0.0, 1.0, None)
    assert bound_sentence(found) == "no trial was started, which says nothing of the rate"


@pytest.mark.parametrize(("hung", "started", "level"), [(-1, 3, 0.95), (4, 3, 0.95), (1, 3, 0.0), (1, 3, 1.0)])
def test_counts_that_cannot_be_are_refused(hung: int, started: int, level: float) -> None:
    with pytest.raises(ValueError, match=r"cannot be|between 0 and 1"):
        rate(hung, started, level)


@given(COUNTS)
def test_the_interval_holds_the_estimate_and_mirrors(counts: tuple[int, int]) -> None:
    hung, started = counts
    found, mirrored = rate(hung, started), rate(started - hung, started)
    assert found.share is not None
    assert 0 <= found.low <= found.share <= found.high <= 1
    assert found.low == pytest.approx(1 - mirrored.high, abs=1e-9)


@given(COUNTS)
def test_more_trials_alike_narrow_the_interval(counts: tuple[int, int]) -> None:
    hung, started = counts
    few, many = rate(hung, started), rate(3 * hung, 3 * started)
    assert many.high - many.low < few.high - few.low


@given(COUNTS)
def test_more_confidence_widens_the_interval(counts: tuple[int, int]) -> None:
    usual, surer = rate(*counts), rate(*counts, level=0.99)
    assert surer.low <= usual.low
    assert usual.high <= surer.high


@pytest.mark.parametrize(
    ("hung", "started", "sentence"),
    [
        (0, 59, "0 of 59 only bounds the rate below 5 % (95 % confidence)"),
        (0, 58, "0 of 58 only bounds the rate below 6 % (95 % confidence)"),
        (0, 1, "0 of 1 only bounds the rate below 95 % (95 % confidence)"),
        (0, 1000, "0 of 1000 only bounds the rate below 0.3 % (95 % confidence)"),
        (20, 20, "20 of 20: the rate is at least 86 % (95 % confidence)"),
        (1, 1, "1 of 1: the rate is at least 5 % (95 % confidence)"),
        (1000, 1000, "1000 of 1000: the rate is at least 99.7 % (95 % confidence)"),
        (5, 20, "5 of 20: the rate is between 8 % and 50 % (95 % confidence)"),
    ],
)
def test_what_a_count_allows_to_claim(hung: int, started: int, sentence: str) -> None:
    assert bound_sentence(rate(hung, started)) == sentence


def test_the_sentence_names_its_own_confidence() -> None:
    assert bound_sentence(rate(0, 20, 0.99)) == "0 of 20 only bounds the rate below 21 % (99 % confidence)"


@given(st.integers(1, 3000))
def test_no_hang_never_claims_more_than_the_exact_bound(started: int) -> None:
    said = re.search(r"below ([0-9.]+) %", bound_sentence(rate(0, started)))
    assert said
    # none of `started` would be seen with 5 % chance or less at the bound that is said
    assert (1 - float(said[1]) / 100) ** started <= 0.05 * (1 + 1e-6)


def test_59_trials_are_the_fewest_that_bound_below_5_percent() -> None:
    assert fewest_trials(0.05) == 59


@given(st.floats(0.001, 0.9))
def test_one_trial_less_than_the_fewest_is_not_enough(bound: float) -> None:
    fewest = fewest_trials(bound)
    assert (1 - bound) ** fewest < 0.05 * (1 + 1e-9)
    assert (1 - bound) ** (fewest - 1) >= 0.05 * (1 - 1e-9)


@pytest.mark.parametrize("bound", [0.0, 1.0, -0.1])
def test_a_bound_that_cannot_be_is_refused(bound: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        fewest_trials(bound)
