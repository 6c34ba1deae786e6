"""Which threads of a sample could be in a knot, by what is cheap to see."""

from __future__ import annotations

import pytest

from hangprobe.judge.knot import knot
from hangprobe.observe.sampler import Sampler

from .calls import (
    WORD,
    Thread,
    asleep,
    in_epoll,
    in_fcntl,
    in_flock,
    in_poll,
    in_read,
    in_select,
    in_wait4,
    in_write,
    on_futex,
    working,
)
from .sampled import CHILD, OTHER, RANK, children, fork, narrow, ran, rank, settled, wide
from .tree import ProcTree


def test_a_thread_that_has_only_just_been_met_is_no_candidate(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex())
    assert narrow(sampler.sample(0.0)) == {}


def test_threads_on_private_futexes_are_woken_by_their_own_process(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex(), on_futex(), working())
    assert narrow(settled(sampler)) == {
        (RANK, RANK): {(RANK, RANK + 1), (RANK, RANK + 2)},
        (RANK, RANK + 1): {(RANK, RANK), (RANK, RANK + 2)},
    }


def test_a_parent_in_wait4_is_woken_by_its_child(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, in_wait4(CHILD))
    fork(tree, on_futex())
    children(tree, RANK, CHILD)
    sample = settled(sampler)
    assert narrow(sample) == {(RANK, RANK): {(CHILD, CHILD)}, (CHILD, CHILD): set()}
    assert knot(narrow(sample)) == {(RANK, RANK), (CHILD, CHILD)}


def test_whoever_waits_for_any_of_several_children_is_a_candidate_by_the_quietest(
    tree: ProcTree, sampler: Sampler
) -> None:
    rank(tree, in_wait4(-1))
    fork(tree, working())
    fork(tree, on_futex(), pid=OTHER)
    children(tree, RANK, CHILD, OTHER)
    sampler.sample(0.0)
    ran(tree, CHILD, 8)
    assert narrow(sampler.sample(1.0))[RANK, RANK] == {(OTHER, OTHER)}


@pytest.mark.parametrize("main", [in_wait4(-1), in_wait4(CHILD), in_poll(1)], ids=["any", "one", "poll"])
def test_a_wait_for_children_where_none_is_known_is_no_candidate(
    tree: ProcTree, sampler: Sampler, main: Thread
) -> None:
    rank(tree, main)
    assert narrow(settled(sampler)) == {}


@pytest.mark.parametrize(
    "thread",
    [
        asleep(),
        on_futex(timeout=0x7FFE0000),
        in_epoll(),
        working(),
        in_poll(1, timeout=5),
        Thread(on_futex().syscall, "0"),
    ],
    ids=["sleep", "timed futex", "epoll", "running", "timed poll", "elsewhere"],
)
def test_a_thread_that_can_wake_by_itself_is_no_candidate(tree: ProcTree, sampler: Sampler, thread: Thread) -> None:
    rank(tree, thread)
    assert narrow(settled(sampler)) == {}


def test_a_thread_that_ran_is_no_candidate_until_it_sleeps_again(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex())
    assert narrow(settled(sampler))
    ran(tree, RANK, 8)
    assert narrow(sampler.sample(2.0)) == {}
    assert narrow(sampler.sample(3.0))


def test_the_call_of_a_thread_is_read_anew_for_each_sleep(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex())
    assert narrow(settled(sampler))
    tree.thread(RANK, RANK, Thread(asleep().syscall, asleep().wchan, runs=8))
    sampler.sample(2.0)
    assert narrow(sampler.sample(3.0)) == {}


# waits whose wakers are not cheap to see

ELSEWHERE = {
    "read": in_read(0),
    "write": in_write(1),
    "flock": in_flock(3),
    "fcntl": in_fcntl(3),
    "poll": in_poll(1),
    "select": in_select(4, WORD),
    "shared futex": on_futex(operation=0x109),
}


@pytest.mark.parametrize("name", sorted(set(ELSEWHERE) - {"shared futex"}))
def test_who_waits_for_a_descriptor_is_a_candidate_in_the_wide_graph_only(
    tree: ProcTree, sampler: Sampler, name: str
) -> None:
    rank(tree, ELSEWHERE[name], working())
    sample = settled(sampler)
    assert (narrow(sample), wide(sample)[RANK, RANK]) == ({}, set())


def test_a_shared_operation_is_taken_for_one_in_shared_memory_in_the_wide_graph_only(
    tree: ProcTree, sampler: Sampler
) -> None:
    rank(tree, ELSEWHERE["shared futex"], working())
    sample = settled(sampler)
    assert (narrow(sample)[RANK, RANK], wide(sample)[RANK, RANK]) == ({(RANK, RANK + 1)}, set())


@pytest.mark.parametrize("main", [on_futex(), in_wait4(CHILD)], ids=["private futex", "child"])
def test_every_other_wait_is_the_same_in_both_graphs(tree: ProcTree, sampler: Sampler, main: Thread) -> None:
    rank(tree, main, on_futex())
    fork(tree, on_futex())
    children(tree, RANK, CHILD)
    sample = settled(sampler)
    assert narrow(sample) == wide(sample) != {}


@pytest.mark.parametrize(
    "thread",
    [asleep(), in_epoll(), working(), in_poll(1, timeout=5), on_futex(operation=0x109, timeout=WORD)],
    ids=["sleep", "epoll", "running", "timed poll", "timed futex"],
)
def test_a_thread_that_can_wake_by_itself_is_no_candidate_in_the_wide_graph_either(
    tree: ProcTree, sampler: Sampler, thread: Thread
) -> None:
    rank(tree, thread)
    assert wide(settled(sampler)) == {}


def test_the_graphs_are_the_same_objects_while_nothing_changes(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex())
    settled(sampler)
    before, after = sampler.sample(2.0).graphs[1], sampler.sample(3.0).graphs[1]
    assert before is after
    ran(tree, RANK, 8)
    assert sampler.sample(4.0).graphs[1] is not after
