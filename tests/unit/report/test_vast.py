"""A report has room for any job: two screens of it, and the rest in the document."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.model import RankState
from hangprobe.report.classes import CLASSES_SHOWN, FEW, classes, largest
from hangprobe.report.markdown import page
from hangprobe.report.text import lines, rank_table
from hangprobe.result import RankResult, Result

from .builders import golden, rank
from .vast import vast

SCREENS = 100
"""Lines of two of them."""
ROWS = st.lists(st.tuples(st.sampled_from(RankState), st.sampled_from([None, "deadlock", "launcher-stdin"])))


def text(result: Result) -> str:
    return "\n".join(lines(result)) + "\n"


@pytest.mark.parametrize(("write", "name"), [(text, "vast.txt"), (page, "vast.md")])
def test_the_report_of_a_large_job_is_the_golden_one(write: Callable[[Result], str], name: str) -> None:
    written = write(vast())
    assert written == golden(name, written)


@pytest.mark.parametrize("kinds", [1, 6, 200])
def test_it_fits_two_screens(kinds: int) -> None:
    shown = lines(vast(kinds))
    assert len(shown) <= SCREENS
    assert max(map(len, shown)) <= 250


def test_ranks_get_lines_of_their_own_kind_until_there_are_too_many() -> None:
    ranks = [rank(n, RankState.PROVEN) for n in range(FEW + 1)]
    assert rank_table(ranks[:FEW])[0].endswith("pids")
    assert rank_table(ranks)[1].split()[0] == str(FEW + 1)


@given(ROWS)
def test_every_rank_is_in_one_class_and_the_largest_come_first(kinds: list[tuple[RankState, str | None]]) -> None:
    rows = [rank(n, state, mechanism=mechanism) for n, (state, mechanism) in enumerate(kinds)]
    found = classes(rows)
    by_class = {(each.state, each.mechanism): each.numbers.tolist() for each in found}
    assert by_class == {kind: [n for n, each in enumerate(kinds) if each == kind] for kind in set(kinds)}
    sizes = [len(each.numbers) for each in found]
    assert sizes == sorted(sizes, reverse=True)


def test_of_many_classes_the_others_are_counted() -> None:
    rows: list[RankResult] = [rank(n, RankState.PROVEN, mechanism=str(n)) for n in range(CLASSES_SHOWN + 30)]
    assert (len(largest(rows)[0]), largest(rows)[1]) == (CLASSES_SHOWN, 30)
    assert rank_table(rows)[-1] == "  and 30 smaller groups"
