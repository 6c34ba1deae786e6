"""`knot` is the largest set of blocked threads that is closed under wakers: held against the definition itself."""

from __future__ import annotations

from collections.abc import Mapping, Set

from hypothesis import given, settings
from hypothesis import strategies as st

from hangprobe.judge.knot import knot, reachable

THREADS_MAX = 8
GRAPHS = max(500, settings().max_examples)
"""500 in every run, as many as the profile says in the nightly one."""

Graph = dict[int, frozenset[int]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Return up to 8 threads, each live, or blocked with a few wakers: half of such graphs have a knot, few are one."""
    count = draw(st.integers(1, THREADS_MAX))
    wakers = st.frozensets(st.integers(0, count - 1), max_size=3)
    threads = draw(st.lists(st.one_of(st.none(), wakers, wakers, wakers), min_size=count, max_size=count))
    return {thread: its_wakers for thread, its_wakers in enumerate(threads) if its_wakers is not None}


def by_definition(wakers: Mapping[int, Set[int]]) -> frozenset[int]:
    """Enumerate every set of blocked threads; return the union of those that hold every waker of every member."""
    blocked = sorted(wakers)
    needs = [sum(1 << blocked.index(w) if w in wakers else 1 << len(blocked) for w in wakers[t]) for t in blocked]
    union = 0
    for members in range(1 << len(blocked)):
        if all(not needs[i] & ~members for i in range(len(blocked)) if members >> i & 1):
            union |= members
    return frozenset(thread for i, thread in enumerate(blocked) if union >> i & 1)


@settings(max_examples=GRAPHS)
@given(graphs())
def test_the_knot_is_the_largest_set_closed_under_wakers(wakers: Graph) -> None:
    assert knot(wakers) == by_definition(wakers)


@given(graphs())
def test_the_knot_is_itself_closed_under_wakers(wakers: Graph) -> None:
    found = knot(wakers)
    assert all(wakers[thread] <= found for thread in found)


@given(graphs(), st.data())
def test_another_waker_never_enlarges_the_knot(wakers: Graph, data: st.DataObject) -> None:
    if wakers:
        thread = data.draw(st.sampled_from(sorted(wakers)))
        waker = data.draw(st.integers(0, THREADS_MAX))
        assert knot({**wakers, thread: wakers[thread] | {waker}}) <= knot(wakers)


@given(graphs(), st.data())
def test_making_a_thread_live_never_enlarges_the_knot(wakers: Graph, data: st.DataObject) -> None:
    if wakers:
        live = data.draw(st.sampled_from(sorted(wakers)))
        assert knot({t: w for t, w in wakers.items() if t != live}) <= knot(wakers) - {live}


def test_a_thread_that_nobody_can_wake_is_in_the_knot() -> None:
    assert knot({1: frozenset()}) == {1}


def test_a_thread_that_waits_for_itself_is_in_the_knot() -> None:
    assert knot({1: frozenset({1})}) == {1}


def test_a_waker_that_is_not_blocked_is_live() -> None:
    assert knot({1: frozenset({2})}) == frozenset()


def test_one_live_waker_among_many_is_enough() -> None:
    assert knot({1: frozenset({1, 2}), 2: frozenset({1, 3})}) == frozenset()


def test_two_threads_that_wait_for_each_other_are_a_knot() -> None:
    assert knot({1: frozenset({2}), 2: frozenset({1})}) == {1, 2}


def test_who_waits_for_a_knot_is_in_it() -> None:
    assert knot({1: frozenset({2}), 2: frozenset(), 3: frozenset({4})}) == {1, 2}


def test_nothing_blocked_is_no_knot() -> None:
    assert knot({}) == frozenset()


def test_a_chain_of_a_hundred_thousand_waits_needs_no_recursion() -> None:
    chain = {i: frozenset({i + 1}) for i in range(100_000)}
    assert knot(chain) == frozenset()
    assert knot({**chain, 100_000: frozenset()}) == chain.keys() | {100_000}


def test_reachable_follows_wakers_and_holds_its_start() -> None:
    wakers = {1: frozenset({2}), 2: frozenset({3, 1}), 4: frozenset({1})}
    assert reachable(1, wakers) == {1, 2, 3}
    assert reachable(9, wakers) == {9}
