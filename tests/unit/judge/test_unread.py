"""A wait that may not be read proves nothing: it can only say why a rank is unknown, and what would tell."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.judge.clauses import unread
from hangprobe.judge.collects import unread_waits
from hangprobe.judge.scene import Scene
from hangprobe.judge.verdict import judge
from hangprobe.judgement import Judgement, Progress
from hangprobe.model import Barrier, DoubleCollect, ProcessView, RankState, ThreadId, ThreadView, Wait, WaitKind

from .builders import CHILD, MAIN, WINDOW_S, but, child_wait, process, quiet, rank, thread, tid, twice, verdict, working
from .test_properties import DOUBLES, PROGRESSES, RANKS, a_double

OTHER = 30
BARRIERS = list(Barrier)


def hidden(which: ThreadId, *wakers: ThreadId, barrier: Barrier = Barrier.PERMISSION) -> ThreadView:
    """Return a thread asleep in a wait that may not be read; `wakers` are those in sight."""
    wait = Wait(WaitKind.UNKNOWN, "pipe:[7]", frozenset(wakers))
    return but(thread(which, wait), live="pipe:[7]: pid 9 may have it: not permitted", barrier=barrier)


def blind_child(*wakers: ThreadId, **changes: object) -> ProcessView:
    return process(but(hidden(tid(CHILD), *wakers), **changes), parent=MAIN)


def waiting(*wakers: ThreadId) -> ProcessView:
    return process(thread(tid(MAIN), child_wait(*wakers)))


# what is in sight of such waits


def test_the_wakers_in_sight_of_a_wait_that_may_not_be_read_are_kept() -> None:
    double = twice(waiting(tid(CHILD)), blind_child(tid(OTHER)))
    assert unread_waits(double) == {tid(CHILD): {tid(OTHER)}}


def test_a_wait_of_which_nothing_is_in_sight_has_no_wakers() -> None:
    assert unread_waits(twice(blind_child(wait=None))) == {tid(CHILD): frozenset()}


@pytest.mark.parametrize(
    "changes",
    [
        {"barrier": None},
        {"state": "R"},
        {"state": "T"},
        {"state": None},
        {"run_count": None},
        {"start_time": None},
    ],
    ids=str,
)
def test_a_thread_that_was_not_seen_asleep_behind_a_barrier_is_none(changes: dict[str, object]) -> None:
    assert unread_waits(twice(blind_child(**changes))) == {}


@pytest.mark.parametrize("changes", [{"run_count": 8}, {"call": "0 0x3"}, {"start_time": 5}, {"state": "R"}], ids=str)
def test_a_thread_that_moved_between_the_collects_is_none(changes: dict[str, object]) -> None:
    double = twice(blind_child())
    moved = but(double.first, processes=(blind_child(**changes),))
    assert unread_waits(DoubleCollect(moved, double.second)) == {}


def test_a_thread_that_only_the_second_collect_saw_is_none() -> None:
    double = twice(blind_child())
    assert unread_waits(DoubleCollect(but(double.first, processes=()), double.second)) == {}


# what it makes of a rank


def test_a_rank_that_waits_for_one_that_may_not_be_read_is_unknown_and_says_what_forbids_it() -> None:
    for barrier in BARRIERS:
        found = verdict([waiting(tid(CHILD)), blind_child(barrier=barrier)])
        assert (found.state, found.barrier) == (RankState.UNKNOWN, barrier)
        assert found.why == "whether its wait can end cannot be told: pipe:[7]: pid 9 may have it: not permitted"
        assert not found.hung


def test_a_main_thread_that_may_not_be_read_itself_is_unknown() -> None:
    found = verdict([process(hidden(tid(MAIN)))])
    assert (found.state, found.barrier) == (RankState.UNKNOWN, Barrier.PERMISSION)


def test_a_rank_that_somebody_in_sight_can_wake_works_whatever_may_not_be_read() -> None:
    found = verdict([waiting(tid(CHILD)), blind_child(tid(OTHER)), working(OTHER)])
    assert (found.state, found.barrier) == (RankState.PROGRESSING, None)


def test_a_rank_that_works_is_not_made_unknown_by_a_helper_that_may_not_be_read() -> None:
    found = verdict([working(MAIN), blind_child()])
    assert (found.state, found.barrier) == (RankState.PROGRESSING, None)


def test_a_quiet_rank_is_a_stall_and_says_what_might_have_told_more() -> None:
    found = verdict([waiting(tid(CHILD)), blind_child()], quiet_s=WINDOW_S + 1.0)
    assert (found.state, found.hung, found.barrier) == (RankState.STALLED, False, Barrier.PERMISSION)


def test_a_stall_to_which_all_is_known_says_of_no_barrier() -> None:
    sleeper = but(thread(tid(MAIN), None), live="epoll: not understood")
    found = verdict([process(sleeper)], quiet_s=WINDOW_S + 1.0)
    assert (found.state, found.barrier) == (RankState.STALLED, None)


def scene(double: DoubleCollect) -> Scene:
    return Scene(double, [rank()], quiet(0.0), WINDOW_S, ())


def test_the_thread_that_decides_is_the_one_that_may_not_be_read() -> None:
    seen = unread(scene(twice(waiting(tid(CHILD)), blind_child())), tid(MAIN))
    assert seen is not None
    assert seen.id == tid(CHILD)


def test_where_nothing_is_hidden_no_thread_decides() -> None:
    assert unread(scene(twice(waiting(tid(CHILD)), working(CHILD))), tid(MAIN)) is None


# whatever is hidden, nothing is proven by it


def veiled(seed: int) -> DoubleCollect:
    """Return a double collect in which some threads may not be read, though their wakers are as before."""
    double, pick = a_double(seed), Random(seed + 1)
    chosen = {
        view.id: pick.choice(BARRIERS)
        for each in double.second.processes
        for view in each.threads
        if pick.random() < 0.4
    }

    def veil(view: ThreadView) -> ThreadView:
        barrier = chosen.get(view.id)
        return view if barrier is None else but(view, barrier=barrier, live="may not be read")

    def veil_all(each: ProcessView) -> ProcessView:
        return but(each, threads=tuple(map(veil, each.threads)))

    first, second = (
        but(snapshot, processes=tuple(map(veil_all, snapshot.processes))) for snapshot in (double.first, double.second)
    )
    return DoubleCollect(first, second)


SEEDS = st.integers(0, 2**32)


def behind_barriers(double: DoubleCollect) -> set[ThreadId]:
    return {view.id for each in double.second.processes for view in each.threads if view.barrier is not None}


@given(SEEDS.map(veiled), PROGRESSES)
def test_a_thread_behind_a_barrier_is_in_no_knot_and_nobodys_culprit(
    double: DoubleCollect, progress: dict[int, Progress]
) -> None:
    judgement = judge(double, RANKS, progress, WINDOW_S)
    assert not judgement.proven & behind_barriers(double)
    assert not judgement.blocked & behind_barriers(double)


@given(SEEDS, PROGRESSES)
def test_hiding_threads_never_proves_more(seed: int, progress: dict[int, Progress]) -> None:
    open_, hidden_ = (judge(double, RANKS, progress, WINDOW_S) for double in (a_double(seed), veiled(seed)))
    assert hidden_.proven <= open_.proven
    assert hidden_.blocked <= open_.blocked


def uncovered(double: DoubleCollect) -> DoubleCollect:
    """Return the same collects with all barriers forgotten; who was behind one is live all the same."""

    def bare(each: ProcessView) -> ProcessView:
        return but(each, threads=tuple(but(view, barrier=None) for view in each.threads))

    first, second = (
        but(snapshot, processes=tuple(map(bare, snapshot.processes))) for snapshot in (double.first, double.second)
    )
    return DoubleCollect(first, second)


def hangs(judgement: Judgement) -> list[tuple[bool, tuple[ThreadId, ...]]]:
    return [(found.hung, found.culprits) for found in judgement.ranks]


@given(SEEDS.map(veiled), PROGRESSES)
def test_a_barrier_says_why_a_rank_is_unknown_and_changes_nothing_else(
    double: DoubleCollect, progress: dict[int, Progress]
) -> None:
    with_, without = judge(double, RANKS, progress, WINDOW_S), judge(uncovered(double), RANKS, progress, WINDOW_S)
    assert (with_.proven, with_.blocked, hangs(with_)) == (without.proven, without.blocked, hangs(without))
    for one, other in zip(with_.ranks, without.ranks, strict=True):
        is_alike = one.state is other.state
        assert is_alike or (one.state, other.state) == (RankState.UNKNOWN, RankState.PROGRESSING)
        assert is_alike or one.barrier is not None


@given(DOUBLES, PROGRESSES)
def test_without_barriers_no_verdict_names_one(double: DoubleCollect, progress: dict[int, Progress]) -> None:
    assert all(found.barrier is None for found in judge(double, RANKS, progress, WINDOW_S).ranks)
