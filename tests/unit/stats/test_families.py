"""Many comparisons at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.stats.families import holm

P_VALUES = st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=12)


def test_the_adjusted_values_are_those_of_r() -> None:
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") is 0.03 0.06 0.06 0.02
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert [each.adjusted_p for each in found.values()] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert [key for key, each in found.items() if each.is_rejected] == ["a", "d"]


def test_a_rejection_stops_at_the_first_that_fails() -> None:
    """0.03 by itself is below alpha / 1, but a smaller one was not rejected."""
    assert not any(each.is_rejected for each in holm({1: 0.03, 2: 0.03}).values())


def test_one_comparison_and_none_need_no_adjustment() -> None:
    assert holm({"a": 0.04})["a"].adjusted_p == 0.04
    assert holm({}) == {}


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="p-value of cell is"):
        holm({"cell": p})


@given(P_VALUES)
def test_holm_lies_between_no_adjustment_and_bonferroni(p_values: dict[str, float]) -> None:
    found = holm(p_values)
    assert list(found) == list(p_values)
    for key, p in p_values.items():
        assert p <= found[key].adjusted_p <= min(1.0, len(p_values) * p)


@given(P_VALUES)
def test_a_smaller_p_value_is_never_judged_worse(p_values: dict[str, float]) -> None:
    ordered = sorted(holm(p_values).values(), key=lambda each: each.p)
    assert [each.adjusted_p for each in ordered] == sorted(each.adjusted_p for each in ordered)
