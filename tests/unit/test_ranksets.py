"""Rank sets as ranges."""

from __future__ import annotations

from itertools import pairwise

import pytest
from ClusterShell.NodeSet import NodeSet
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.ranksets import (
    count,
    fold,
    fold_hosts,
    gaps,
    shortened,
    spoken,
    spoken_briefly,
    spoken_set,
    unfold,
    unite,
)


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


# sets that stay folded

SETS = st.sets(st.integers(0, 60))


@given(st.lists(SETS))
def test_folded_sets_are_united_as_sets_are(sets: list[set[int]]) -> None:
    assert unite(map(fold, sets)) == fold(set().union(*sets))


@given(SETS)
def test_a_folded_set_knows_how_many_it_has(ranks: set[int]) -> None:
    assert count(fold(ranks)) == len(ranks)


@given(SETS, st.integers(0, 70))
def test_gaps_are_what_is_not_there(ranks: set[int], size: int) -> None:
    assert unfold(gaps(fold(ranks), size)) == set(range(size)) - ranks


def test_a_set_that_claims_too_much_is_never_unfolded() -> None:
    assert unite(["0-99999999999", "5"]) == "0-99999999999"
    assert gaps("1-99999999999", 10**11) == "0"
    assert count("0-99999999999") == 10**11


@given(SETS)
def test_a_folded_set_is_spoken_of_like_its_ranks(ranks: set[int]) -> None:
    assert spoken_set(fold(ranks)) == spoken(ranks)


def test_of_a_long_set_the_first_ranges_are_told() -> None:
    text = fold(range(0, 2048, 64))
    assert shortened(text, 12) == "0,64,128,..."
    assert shortened("a-host-without-any-comma", 6) == "a-host..."
    assert spoken_briefly(text) == f"ranks {shortened(text)} (32 in all)"
    assert spoken_briefly("0-7") == "ranks 0-7"


# hosts

HOST_NAMES = st.from_regex(r"[a-z]{1,2}([0-9]{1,2}[a-z]){0,2}[0-9]{0,3}(\.site)?", fullmatch=True)


@given(st.lists(HOST_NAMES))
def test_folded_hosts_are_what_clustershell_unfolds(hosts: list[str]) -> None:
    assert set(NodeSet(fold_hosts(hosts))) == set(hosts)


@given(st.lists(HOST_NAMES))
def test_neither_the_order_of_hosts_nor_their_repetition_matters(hosts: list[str]) -> None:
    assert fold_hosts(hosts) == fold_hosts(sorted(set(hosts)))


@given(st.sets(st.integers(0, 9999), min_size=1), st.sampled_from(["node", "x3006c0s13b0n", "gpu-"]))
def test_numbers_of_one_width_are_folded_as_clustershell_folds_them(numbers: set[int], prefix: str) -> None:
    hosts = [f"{prefix}{number:04}" for number in numbers]
    ends = NodeSet.fromlist([f"n{number:04}" for number in numbers])  # of digits within a name it makes ranges too
    assert fold_hosts(hosts) == str(ends).replace("n", prefix, 1)


@pytest.mark.parametrize(
    ("hosts", "text"),
    [
        ([], ""),
        (["login"], "login"),
        (["node07"], "node07"),
        (["node03", "node01", "node02", "node07"], "node[01-03,07]"),
        (["node01", "login", "node02"], "login,node[01-02]"),
        (["node9", "node10"], "node9,node10"),
        (["node1.site", "node2.site"], "node1.site,node2.site"),
        (["10.0.0.7", "10.0.0.8"], "10.0.0.[7-8]"),
        (["001", "002"], "[001-002]"),
        (["node٣"], "node٣"),  # a digit of another script is a letter to the batch system
    ],
)
def test_hosts_read_as_one_writes_them(hosts: list[str], text: str) -> None:
    assert fold_hosts(hosts) == text
