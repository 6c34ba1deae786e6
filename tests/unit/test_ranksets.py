"""Rank sets as ranges."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.ranksets import fold, spoken, unfold


@given(st.sets(st.integers(0, 10_000)))
def test_what_is_folded_can_be_unfolded(ranks: set[int]) -> None:
    assert unfold(fold(ranks)) == ranks


@given(st.sets(st.integers(0, 30)))
def test_no_two_ranges_touch_and_all_ascend(ranks: set[int]) -> None:
    ends = [tuple(map(int, part.split("-"))) for part in fold(ranks).split(",") if part]
    flat = [number for span in ends for number in span]
    assert flat == sorted(set(flat))
    assert all(later[0] - earlier[-1] > 1 for earlier, later in pairwise(ends))


@given(st.lists(st.integers(0, 30)))
def test_neither_order_nor_repetition_matters(ranks: list[int]) -> None:
    assert fold(ranks) == fold(sorted(set(ranks)))


@pytest.mark.parametrize(
    ("ranks", "text"), [([], ""), ([0], "0"), ([0, 1], "0-1"), ([0, 3, 4, 5], "0,3-5"), ([7, 1, 3], "1,3,7")]
)
def test_ranges_read_as_one_writes_them(ranks: list[int], text: str) -> None:
    assert fold(ranks) == text


@pytest.mark.parametrize("text", ["x", "1-x", "-1", "1 2"])
def test_what_is_no_set_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no rank"):
        unfold(text)


@pytest.mark.parametrize("text", ["5-3", "1-", "1--2", "+1", "1_0", " 1"])
def test_what_fold_never_writes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        unfold(text)


def test_one_rank_is_spoken_of_in_the_singular() -> None:
    assert [spoken([3]), spoken([1, 2, 3]), spoken([0, 2])] == ["rank 3", "ranks 1-3", "ranks 0,2"]
