"""How the launch contexts of ranks, or of two launchers, differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.context.values import Channel, Far, Kind, LaunchContext, Processors
from hangprobe.explain.contextdiff import Alike, Direction, diff, diff_two
from hangprobe.explain.contextwords import ATTRIBUTES, channel
from hangprobe.model import Unreadable
from hangprobe.ranksets import unfold

from .contexts import CLOSED, PARALLEL, PLAIN, PROXY, hydra, parallel, piped, variables

HYDRA = {rank: hydra(rank) for rank in range(4)}


def test_rank_0_and_the_others_under_hydra() -> None:
    found = diff(HYDRA)
    assert (found.ranks, found.alike) == ("0-3", ("0", "1-3"))
    assert [(each.attribute, each.groups) for each in found.differences] == [
        (
            "stdin",
            (Alike("0", "pipe, write end closed"), Alike("1-3", "pipe, write end held by hydra_pmi_proxy")),
        )
    ]


def test_difference_comes_before_what_holds_of_all() -> None:
    found = [(each.mechanism, each.ranks, each.is_difference) for each in diff(HYDRA).bearings]
    assert found == [
        ("launcher-stdin", "1-3", True),
        ("stdio-kept-open", "0-3", False),
        ("stdio-kept-open", "0-3", False),
        ("inherited-pipe-end", "0-3", False),
    ]


def test_difference_comes_first_though_its_rule_is_a_later_one() -> None:
    found = diff({0: PLAIN.but(stdin=piped(PROXY)), 1: PLAIN.but(stdin=piped(PROXY), blocked=("CHLD",))})
    assert [each.mechanism for each in found.bearings] == ["sigchld-blocked", "launcher-stdin"]


def test_ranks_that_are_alike_have_everything_in_common() -> None:
    found = diff(dict.fromkeys(range(3), PLAIN))
    assert (found.alike, found.differences, found.bearings) == (("0-2",), (), ())
    assert [each.attribute for each in found.common] == [attribute.slug for attribute in ATTRIBUTES]


def test_no_rank_at_all() -> None:
    found = diff({})
    assert (found.ranks, found.alike, found.differences, found.bearings) == ("", (), (), ())


def test_differences_come_in_order_of_relevance() -> None:
    other = PLAIN.but(umask="0077", blocked=("CHLD",), stdin=CLOSED, variables=variables("HOME", "X"), nice=5)
    found = [each.attribute for each in diff({0: PLAIN, 1: other}).differences]
    assert found == ["stdin", "blocked", "umask", "nice", "variables"]


def test_what_all_have_of_a_set_is_not_repeated() -> None:
    one, other = PLAIN.but(ignored=("PIPE", "TTIN")), PLAIN.but(ignored=("PIPE",))
    (found,) = diff({0: one, 1: other}).differences
    assert found.groups == (Alike("0", "TTIN"), Alike("1", "-"))


def test_processors_of_pinned_ranks_do_not_divide_them() -> None:
    pinned = {rank: PLAIN.but(processors=Processors(1, str(rank))) for rank in range(3)}
    found = diff(pinned)
    assert found.alike == ("0-2",)
    assert [each.attribute for each in found.differences] == ["processor-list"]


def test_what_could_not_be_read_is_a_group_of_its_own() -> None:
    unread = PLAIN.but(blocked=None, unreadable=(Unreadable("status", "not permitted"),))
    found = diff({0: PLAIN.but(blocked=("CHLD",)), 1: unread, 2: unread})
    assert found.differences[0].groups == (Alike("0", "CHLD"), Alike("1-2", "not known"))
    assert found.unreadable == (Alike("1-2", "status: not permitted"),)


def test_unknown_ranks_do_not_make_a_bearing_a_difference() -> None:
    found = diff({0: PLAIN.but(blocked=("CHLD",)), 1: PLAIN.but(blocked=None)})
    assert [(each.ranks, each.is_difference) for each in found.bearings] == [("0", False)]


def test_two_launchers_differ_in_what_explains_a_hang() -> None:
    found = diff_two(HYDRA, {rank: parallel() for rank in range(4)}, ("mpiexec", "parallel"))
    first = found.changes[0]
    assert first.attribute == "stdin"
    assert [each.ranks for each in first.first] == ["0", "1-3"]
    assert first.second == (Alike("0-3", "pipe, write end closed"),)
    assert [(each.mechanism, each.direction, each.first, each.second) for each in found.explanations] == [
        ("launcher-stdin", Direction.FIRST, "1-3", ""),
        ("stdio-kept-open", Direction.FIRST, "0-3", ""),
        ("stdio-kept-open", Direction.FIRST, "0-3", ""),
        ("inherited-pipe-end", Direction.FIRST, "0-3", ""),
    ]
    assert "umask" in found.common
    assert "stdin" not in found.common


def test_direction_follows_the_order_of_the_launchers() -> None:
    blocked = {0: PLAIN.but(blocked=("CHLD",)), 1: PLAIN}
    everywhere = {0: blocked[0], 1: blocked[0]}
    none = {0: PLAIN, 1: PLAIN}
    names = ("a", "b")
    assert [each.direction for each in diff_two(none, blocked, names).explanations] == [Direction.SECOND]
    (both,) = diff_two(blocked, everywhere, names).explanations
    assert (both.direction, both.first, both.second) == (Direction.BOTH, "0", "0-1")


def test_what_holds_under_both_explains_nothing() -> None:
    found = diff_two(HYDRA, {rank: c.but(umask="0077") for rank, c in HYDRA.items()}, ("a", "b"))
    assert ([each.attribute for each in found.changes], found.explanations) == (["umask"], ())


def test_only_ranks_of_both_launchers_are_compared() -> None:
    found = diff_two(HYDRA, {1: hydra(1), 9: PLAIN}, ("a", "b"))
    assert (found.ranks, found.changes) == ("1", ())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, None),
        (Channel(Kind.NULL), ("/dev/null",)),
        (Channel(Kind.CLOSED), ("closed",)),
        (piped(PROXY).but(is_nonblocking=True), ("pipe, write end held by hydra_pmi_proxy, non-blocking",)),
        (Channel(Kind.PIPE, far=Far.OWN), ("pipe, write end held by the rank itself only",)),
        (Channel(Kind.PIPE, far=Far.UNSEEN), ("pipe, write end held by nobody in sight",)),
        (Channel(Kind.SOCKET, far=Far.UNKNOWN), ("socket",)),
        (Channel(Kind.SOCKET, far=Far.HELD, holders=(PROXY, PARALLEL)), ("socket of hydra_pmi_proxy and parallel",)),
        (Channel(Kind.FILE, "/x", "read"), ("file /x for reading",)),
        (Channel(Kind.NULL, was_replaced=True), ("/dev/null, put there by the rank itself",)),
    ],
)
def test_standard_input_in_words(given: Channel | None, said: tuple[str, ...] | None) -> None:
    assert channel(given, is_read=True) == said


CONTEXTS = st.builds(
    lambda stdin, umask, blocked: PLAIN.but(stdin=stdin, umask=umask, blocked=blocked),
    st.sampled_from([None, CLOSED, piped(PROXY)]),
    st.sampled_from(["0022", "0077"]),
    st.sampled_from([None, (), ("CHLD",)]),
)
JOBS = st.dictionaries(st.integers(0, 20), CONTEXTS, max_size=12)


@given(JOBS)
def test_every_attribute_puts_every_rank_in_one_group(jobs: dict[int, LaunchContext]) -> None:
    found = diff(jobs)
    for aspect in (*found.differences, *found.common):
        assert sorted(rank for group in aspect.groups for rank in unfold(group.ranks)) == sorted(jobs)
    assert sorted(rank for ranks in found.alike for rank in unfold(ranks)) == sorted(jobs)


@given(JOBS, JOBS)
def test_exchanging_the_launchers_exchanges_the_answer(
    one: dict[int, LaunchContext], other: dict[int, LaunchContext]
) -> None:
    there, back = diff_two(one, other, ("a", "b")), diff_two(other, one, ("b", "a"))
    assert [(c.attribute, c.first, c.second) for c in there.changes] == [
        (c.attribute, c.second, c.first) for c in back.changes
    ]
    assert [(e.mechanism, e.first) for e in there.explanations] == [(e.mechanism, e.second) for e in back.explanations]
