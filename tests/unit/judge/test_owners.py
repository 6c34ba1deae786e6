"""Locks whose holder is known and lives: `blocked` at most, and the holder named."""

from __future__ import annotations

import pytest

from hangprobe.judge.collects import blocked_through, by_owner
from hangprobe.model import DoubleCollect, Mutex, ProcessView, RankState, ThreadId, Verdict, Wait, WaitKind

from .builders import CHILD, MAIN, WINDOW_S, WORKER, but, judged, process, snapshot, thread, tid, twice, waiting_main
from .shared import FIRST, KEEPER, LOCK, kept_by, lock_wait, rank_1, waiter

NOBODY: frozenset[ThreadId] = frozenset()
BESIDE = but(WORKER, id=tid(CHILD, 21))
"""A live thread of the child, which may unlock a normal mutex though it did not lock it."""


def on_mutex(owner: frozenset[ThreadId] | None, kind: WaitKind = WaitKind.FUTEX_PRIVATE) -> ProcessView:
    """Return a child that waits for a normal mutex beside a thread that lives."""
    wait = Wait(kind, "0x5000", frozenset({BESIDE.id}), Mutex("normal", FIRST), owner)
    return process(thread(tid(CHILD), wait), BESIDE, parent=MAIN)


def two(first: ProcessView, second: ProcessView) -> DoubleCollect:
    main = waiting_main()
    return DoubleCollect(snapshot(main, first), but(snapshot(main, second), began_s=3.0, ended_s=4.0))


def test_a_normal_mutex_of_an_ancestor_beside_live_threads_is_blocked_and_not_hung() -> None:
    judgement = judged(twice(waiting_main(), on_mutex(NOBODY)))
    assert judgement.proven == frozenset()
    assert judgement.blocked == {tid(MAIN), tid(CHILD)}
    assert (judgement.ranks[0].state, judgement.ranks[0].hung) == (RankState.BLOCKED, False)
    assert judgement.verdict is Verdict.OK


def test_however_long_it_lasts_it_is_no_hang() -> None:
    found = judged(twice(waiting_main(), on_mutex(NOBODY)), quiet_s=100 * WINDOW_S).ranks[0]
    assert not found.hung


def test_an_owner_that_lives_keeps_the_wait_open() -> None:
    assert judged(twice(waiting_main(), on_mutex(frozenset({BESIDE.id})))).blocked == frozenset()


def test_a_lock_that_names_nobody_is_released_by_any_thread_of_its_process() -> None:
    assert judged(twice(waiting_main(), on_mutex(None))).blocked == frozenset()


@pytest.mark.parametrize(("first", "second"), [(NOBODY, None), (None, NOBODY)])
def test_an_owner_that_only_one_collect_named_is_none(
    first: frozenset[ThreadId] | None, second: frozenset[ThreadId] | None
) -> None:
    assert judged(two(on_mutex(first), on_mutex(second))).blocked == frozenset()


def test_the_owners_of_both_collects_are_united() -> None:
    double = two(on_mutex(NOBODY), on_mutex(frozenset({BESIDE.id})))
    assert by_owner(blocked_through(double), double)[tid(CHILD)] == {BESIDE.id}


def test_a_proof_never_rests_on_the_owner_of_a_normal_mutex() -> None:
    assert judged(twice(waiting_main(), on_mutex(NOBODY))).proven == frozenset()
    owned = judged(twice(waiting_main(), on_mutex(NOBODY, WaitKind.MUTEX)))
    assert owned.proven == frozenset()  # the wakers that observe gives decide, whatever the kind


# Locks on files.


def test_a_lock_on_a_file_whose_holder_works_is_blocked_and_names_it() -> None:
    found = rank_1(waiter(lock_wait(*kept_by(first=None))))
    assert (found.state, found.hung, found.why) == (RankState.BLOCKED, False, f"waits for {LOCK}, held by pid {KEEPER}")
    assert (found.culprits, found.since_s) == ((), 3.0)


def test_all_holders_are_named() -> None:
    assert rank_1(waiter(lock_wait(*kept_by(KEEPER, 41)))).why.endswith(f"held by pid {KEEPER}, pid 41")


def test_a_rank_that_waits_for_a_child_behind_such_a_lock_is_blocked_too() -> None:
    child = process(thread(tid(CHILD), lock_wait(*kept_by(first=None))), parent=MAIN)
    assert rank_1(waiting_main(), child).why == f"waits for {LOCK}, held by pid {KEEPER}"


def test_a_rank_that_need_not_wait_for_the_lock_is_progressing() -> None:
    main = process(thread(tid(MAIN), Wait(WaitKind.CHILD, "any child", frozenset({tid(CHILD), tid(22)}))))
    child = process(thread(tid(CHILD), lock_wait(*kept_by(first=None))), parent=MAIN)
    assert rank_1(main, child).state is RankState.PROGRESSING


@pytest.mark.parametrize("kind", [WaitKind.PIPE_READ, WaitKind.PIPE_WRITE, WaitKind.FUTEX_SHARED])
def test_only_a_lock_on_a_file_is_held(kind: WaitKind) -> None:
    assert rank_1(waiter(lock_wait(*kept_by(first=None), kind=kind))).state is RankState.PROGRESSING


def test_a_rank_behind_a_held_lock_that_is_quiet_for_the_window_has_stalled() -> None:
    found = rank_1(waiter(lock_wait(*kept_by(first=None))), quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, False)
