"""What a forked child keeps and does not give up: a leak, unless anybody lives who may still end the wait."""

from __future__ import annotations

import pytest

from hangprobe.judge.verdict import judge
from hangprobe.judgement import RankVerdict
from hangprobe.model import DoubleCollect, Keeper, ProcessView, RankState, Verdict, WaitKind

from .builders import (
    BLOCKED_AT_S,
    CHILD,
    EPOLL_HELPER,
    MAIN,
    SLEEPER,
    WINDOW_S,
    WORKER,
    but,
    child_wait,
    futex,
    process,
    process_id,
    rank,
    thread,
    tid,
    twice,
    verdict,
    waiting_main,
    working,
)
from .shared import FIRST, KEEPER, LOCK, asleep, kept_by, lock_wait, parked, rank_1, two_ranks, waiter

KEPT_FOR_THE_WINDOW = {KEEPER: WINDOW_S}


def says(found: RankVerdict) -> tuple[RankState, bool]:
    return found.state, found.hung


LEAK = (RankState.LEAK, True)
HELD = (RankState.BLOCKED, False)
WORKS = (RankState.PROGRESSING, False)


# The keeper is in a knot.


@pytest.mark.parametrize("kind", [WaitKind.FILE_LOCK, WaitKind.PIPE_READ])
def test_what_a_child_in_a_knot_keeps_since_its_fork_is_a_leak(kind: WaitKind) -> None:
    found = rank_1(waiter(lock_wait(kind=kind)), parked())
    assert says(found) == LEAK
    assert (found.culprits, found.closed_s, found.pending) == ((tid(MAIN),), BLOCKED_AT_S, ())


def test_a_leak_makes_the_job_a_hang_that_is_never_ended_by_default() -> None:
    judgement = two_ranks(waiter(), parked())
    assert judgement.verdict is Verdict.HANG
    assert judgement.ranks[1].spared is not None
    assert judgement.ranks[0].state is RankState.PROGRESSING


def test_a_keeper_that_runs_may_give_it_up_and_is_named_as_the_holder() -> None:
    found = rank_1(waiter(), working(KEEPER), quiet_s=10 * WINDOW_S, by_pid={KEEPER: 10 * WINDOW_S})
    assert found.state is RankState.STALLED
    found = rank_1(waiter(), working(KEEPER))
    assert says(found) == HELD
    assert found.why == f"waits for {LOCK}, held by pid {KEEPER}"


def test_one_thread_of_the_keeper_that_is_in_no_knot_is_enough_to_doubt() -> None:
    half = process(thread(tid(KEEPER), futex()), thread(tid(KEEPER, 41), None), parent=FIRST)
    assert says(rank_1(waiter(), half)) == HELD


def test_a_keeper_that_catches_signals_is_in_no_proven_knot() -> None:
    catching = process(thread(tid(KEEPER), futex()), parent=FIRST, signals="catches TERM")
    assert rank_1(waiter(), catching).state is not RankState.LEAK
    assert says(rank_1(waiter(), catching, by_pid=KEPT_FOR_THE_WINDOW)) == LEAK


def test_a_keeper_that_the_collect_did_not_see_may_do_anything() -> None:
    assert says(rank_1(waiter(), by_pid=KEPT_FOR_THE_WINDOW)) == HELD


def test_a_keeper_whose_threads_cannot_be_read_may_do_anything() -> None:
    unread = but(parked(), threads=())
    assert says(rank_1(waiter(), unread, by_pid=KEPT_FOR_THE_WINDOW)) == HELD


# The keeper sleeps.


def test_what_a_sleeper_keeps_for_the_window_is_a_leak() -> None:
    assert says(rank_1(waiter(), asleep(), by_pid=KEPT_FOR_THE_WINDOW)) == LEAK


@pytest.mark.parametrize("by_pid", [{}, {KEEPER: 0.0}, {KEEPER: WINDOW_S - 0.1}, {FIRST: WINDOW_S, MAIN: WINDOW_S}])
def test_a_sleeper_that_moved_within_the_window_is_a_holder(by_pid: dict[int, float]) -> None:
    assert says(rank_1(waiter(), asleep(), by_pid=by_pid)) == HELD


def test_a_sleeper_that_wakes_after_a_set_time_keeps_nothing_for_ever() -> None:
    found = rank_1(waiter(), asleep(is_timed=True), by_pid={KEEPER: 100 * WINDOW_S})
    assert says(found) == HELD


@pytest.mark.parametrize("beside", [but(WORKER, id=tid(KEEPER, 41)), but(SLEEPER, id=tid(KEEPER, 41))])
def test_every_thread_of_the_sleeper_must_sleep_without_a_set_time(beside: object) -> None:
    some = asleep()
    half = but(some, threads=(*some.threads, beside))
    assert says(rank_1(waiter(), half, by_pid=KEPT_FOR_THE_WINDOW)) == HELD


@pytest.mark.parametrize("state", ["R", "D", "T", "Z", None])
def test_a_keeper_in_any_state_but_asleep_keeps_nothing_for_ever(state: str | None) -> None:
    assert says(rank_1(waiter(), asleep(state=state), by_pid=KEPT_FOR_THE_WINDOW)) == HELD


def test_an_ofd_lock_records_nobody_so_that_only_a_knot_makes_it_a_leak() -> None:
    wait = lock_wait(*kept_by(is_certain=False))
    assert says(rank_1(waiter(wait), asleep(), by_pid=KEPT_FOR_THE_WINDOW)) == HELD
    assert says(rank_1(waiter(wait), parked())) == LEAK


# It is kept, and not held: the first owner runs and has given it up.


@pytest.mark.parametrize("keeper", [parked(), asleep()])
def test_without_a_first_owner_that_runs_and_gave_it_up_the_keeper_is_a_holder(keeper: ProcessView) -> None:
    # Keeper.first is None where the first owner has ended (`exec 9>f; flock 9; work`) and where it has it still
    found = rank_1(waiter(lock_wait(*kept_by(first=None))), keeper, by_pid=KEPT_FOR_THE_WINDOW)
    assert says(found) == HELD


def test_each_of_several_keepers_must_keep_it() -> None:
    two = kept_by(KEEPER, 41)
    assert says(rank_1(waiter(lock_wait(*two)), parked(), parked(41))) == LEAK
    assert says(rank_1(waiter(lock_wait(*two)), parked(), working(41))) == HELD
    owner = Keeper(process_id(41))
    assert says(rank_1(waiter(lock_wait(two[0], owner)), parked(), parked(41))) == HELD


def test_anybody_beside_the_keepers_who_can_end_the_wait_is_a_doubt() -> None:
    wait = lock_wait(beside=(tid(FIRST),))
    assert says(rank_1(waiter(wait), parked())) == HELD


def test_a_further_thread_of_a_keeper_is_none_beside_it() -> None:
    two = but(parked(), threads=(*parked().threads, thread(tid(KEEPER, 41), futex())))
    assert says(rank_1(waiter(lock_wait(beside=(tid(KEEPER, 41),))), two)) == LEAK


def test_where_nobody_keeps_it_there_is_no_leak() -> None:
    # a reader that alone has the write end of its pipe, and catches signals
    own = but(lock_wait(kind=WaitKind.PIPE_READ), keepers=(), wakers=frozenset())
    found = verdict([process(thread(tid(MAIN), own), signals="catches TERM")], by_pid={MAIN: WINDOW_S})
    assert says(found) == HELD


@pytest.mark.parametrize("kind", sorted(set(WaitKind) - {WaitKind.FILE_LOCK, WaitKind.PIPE_READ}))
def test_only_locks_on_files_and_ends_of_pipes_can_be_kept(kind: WaitKind) -> None:
    assert rank_1(waiter(lock_wait(kind=kind)), parked()).state is not RankState.LEAK


# Who waits.


@pytest.mark.parametrize(
    "changes",
    [{"run_count": 8}, {"call": "73 0x4 0x2 0x0 0x0 0x0 0x0 0x7ff0 0x7ff8"}, {"start_time": 9}, {"state": "R"}],
)
def test_a_waiter_that_has_moved_between_the_collects_is_held_by_nobody(changes: dict[str, object]) -> None:
    double = twice(waiter(), parked(), working(FIRST))
    before = but(double.first, processes=(waiter_with(**changes), *double.first.processes[1:]))
    assert judge_1(but(double, first=before)).state is RankState.PROGRESSING


@pytest.mark.parametrize("field", ["run_count", "call", "start_time", "state"])
def test_a_waiter_that_could_not_be_read_is_held_by_nobody(field: str) -> None:
    assert rank_1(waiter_with(**{field: None}), parked()).state is not RankState.LEAK


def test_a_waiter_that_may_wake_by_itself_is_held_by_nobody() -> None:
    assert says(rank_1(waiter_with(live="has an io_uring"), parked())) == WORKS


def test_a_rank_that_waits_for_a_child_that_waits_for_what_is_kept_leaks_too() -> None:
    main = process(thread(tid(MAIN), child_wait(tid(CHILD))))
    found = rank_1(main, process(thread(tid(CHILD), lock_wait()), parent=MAIN), parked())
    assert says(found) == LEAK
    assert found.culprits == (tid(CHILD),)


def test_a_main_thread_beside_a_live_one_must_have_been_quiet_for_the_window() -> None:
    beside = thread(tid(MAIN, 12), lock_wait())
    main = process(thread(tid(MAIN), futex(beside.id, EPOLL_HELPER.id)), beside, EPOLL_HELPER)
    assert says(rank_1(main, parked(), quiet_s=WINDOW_S - 0.1)) == WORKS
    found = rank_1(main, parked(), quiet_s=WINDOW_S)
    assert says(found) == LEAK
    assert found.culprits == (beside.id,)


def test_a_main_thread_that_does_not_depend_on_it_is_not_held() -> None:
    beside = thread(tid(MAIN, 12), lock_wait())
    main = process(thread(tid(MAIN), futex(EPOLL_HELPER.id)), beside, EPOLL_HELPER)
    assert says(rank_1(main, parked(), quiet_s=WINDOW_S)) == (RankState.STALLED, False)


@pytest.mark.parametrize("quiet_s", [0.0, WINDOW_S, 100 * WINDOW_S])
def test_a_main_thread_in_a_timed_wait_is_never_held_by_a_leak(quiet_s: float) -> None:
    wait = but(thread(tid(MAIN), child_wait(tid(CHILD))), is_timed=True)
    for live in ("child: waits with a time-out", None):
        found = rank_1(
            process(but(wait, live=live)),
            process(thread(tid(CHILD), lock_wait()), parent=MAIN),
            parked(),
            quiet_s=quiet_s,
        )
        assert not found.hung


@pytest.mark.parametrize("state", ["R", "D", "T", "Z", None])
def test_a_main_thread_that_is_not_asleep_is_never_held_by_a_leak(state: str | None) -> None:
    assert rank_1(waiter_with(state=state), parked(), quiet_s=WINDOW_S).state is not RankState.LEAK


def test_a_sleeper_of_the_waiters_tree_may_still_end_it() -> None:
    found = rank_1(waiter(None, SLEEPER), parked())
    assert says(found) == HELD
    assert found.pending == (SLEEPER.id,)


def test_a_runtimes_helper_beside_the_waiter_is_no_doubt() -> None:
    assert says(rank_1(waiter(None, EPOLL_HELPER), parked())) == LEAK


def test_the_waiters_signals_do_not_end_what_another_process_keeps() -> None:
    found = rank_1(but(waiter(), signals="catches TERM"), parked())
    assert says(found) == LEAK


def test_nor_do_the_signals_of_a_main_thread_that_waits_for_the_waiter() -> None:
    child = process(thread(tid(CHILD), lock_wait()), parent=MAIN)
    assert says(rank_1(waiting_main(signals="catches TERM"), child, parked())) == LEAK


def test_a_keeper_of_the_ranks_own_tree_in_the_same_knot_is_a_proof() -> None:
    keeper = process(thread(tid(KEEPER), futex()), parent=MAIN)
    assert verdict([waiter(lock_wait(*kept_by(first=MAIN))), keeper]).state is RankState.PROVEN


def judge_1(double: DoubleCollect) -> RankVerdict:
    """Return what is said of rank 1 alone."""
    return judge(double, [rank(MAIN)], {}, WINDOW_S).ranks[0]


def waiter_with(**changes: object) -> ProcessView:
    """Return rank 1 with some facts about its main thread changed."""
    return process(but(thread(tid(MAIN), lock_wait()), **changes))
