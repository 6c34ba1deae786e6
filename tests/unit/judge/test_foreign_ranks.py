"""A knot that reaches into other ranks: a proof only if these ranks' main threads are in it too."""

from __future__ import annotations

from collections.abc import Sequence

from hangprobe.judge.verdict import judge
from hangprobe.judgement import RankVerdict, Sighting
from hangprobe.model import ProcessView, RankState, ThreadId, Wait, WaitKind

from .builders import (
    EPOLL_HELPER,
    MAIN,
    WINDOW_S,
    aged,
    but,
    executor,
    futex,
    numbered,
    process,
    quiet,
    stuck_child,
    thread,
    tid,
    twice,
    waiting_main,
    working,
)
from .shared import FIRST, KEEPER, kept_by, lock_wait, parked

HELD = lock_wait(*kept_by(first=None))
"""A lock that the helper has by its own right: no leak."""
WAITS = process(thread(tid(MAIN), HELD))


def judged_1(
    one: Sequence[ProcessView],
    zero: Sequence[ProcessView],
    strangers: Sequence[ProcessView] = (),
    quiet_s: float = 0.0,
    sightings: Sequence[Sighting] = (),
) -> RankVerdict:
    """Return what is said of rank 1; `zero` are the processes of rank 0, `strangers` those of no rank."""
    ranks = [numbered(0, *(view.id.pid for view in zero)), numbered(1, *(view.id.pid for view in one))]
    double = aged(twice(*one, *zero, *strangers), quiet_s)
    return judge(double, ranks, quiet(quiet_s), WINDOW_S, sightings).ranks[1]


def waits_for(*whom: ThreadId, pid: int = FIRST) -> ProcessView:
    """Return the main process of another rank, in a wait for its child."""
    return process(thread(tid(pid), Wait(WaitKind.CHILD, "pid 40", frozenset(whom))))


def test_a_parked_helper_of_a_rank_that_works_on_proves_nothing() -> None:
    found = judged_1([WAITS], [working(FIRST), parked()])
    assert (found.state, found.hung) == (RankState.BLOCKED, False)
    assert found.why == f"it waits for pid {KEEPER} of rank 0, which works on"


def test_the_same_helper_of_a_rank_whose_main_thread_is_in_the_knot_is_a_proof() -> None:
    found = judged_1([WAITS], [waits_for(tid(KEEPER)), parked()])
    assert (found.state, found.hung, found.spared) == (RankState.PROVEN, True, None)
    assert found.culprits == (tid(MAIN), tid(KEEPER))


def test_a_main_thread_that_only_signals_could_wake_works_on() -> None:
    catching = but(waits_for(tid(KEEPER)), signals="catches TERM")
    assert judged_1([WAITS], [catching, parked()]).why == f"it waits for pid {KEEPER} of rank 0, which works on"


def test_a_helper_of_the_ranks_own_needs_no_other_main_thread() -> None:
    found = judged_1([WAITS, but(parked(), parent=MAIN)], [working(FIRST)])
    assert found.state is RankState.PROVEN


def test_a_process_of_no_rank_proves_nothing() -> None:
    found = judged_1([WAITS], [working(FIRST)], strangers=[parked()])
    assert (found.state, found.hung) == (RankState.BLOCKED, False)
    assert found.why == f"it waits for pid {KEEPER} of none of the ranks"


def test_two_main_threads_that_wait_for_each_other_are_both_hung() -> None:
    one = process(thread(tid(MAIN), waits_for(tid(FIRST)).threads[0].wait))
    double = twice(one, waits_for(tid(MAIN)))
    found = judge(double, [numbered(0, FIRST), numbered(1, MAIN)], {}, WINDOW_S)
    assert [(each.state, each.hung) for each in found.ranks] == [(RankState.PROVEN, True)] * 2


def test_a_sleeper_of_the_other_rank_in_the_knot_may_still_end_it() -> None:
    timer = but(thread(tid(FIRST, 33), None), is_timed=True, live="sleep: sleeps for a set time")
    main = waits_for(tid(KEEPER))
    found = judged_1([WAITS], [but(main, threads=(*main.threads, timer)), parked()])
    assert (found.state, found.pending) == (RankState.BLOCKED, (timer.id,))


def test_what_lives_in_the_other_rank_of_the_knot_spares_both() -> None:
    worker = but(thread(tid(FIRST, 33), None), state="R", live="state: R", cpu_s=1.0, runnable_s=9.0)
    main = waits_for(tid(KEEPER))
    found = judged_1([WAITS], [but(main, threads=(*main.threads, worker)), parked()])
    assert found.state is RankState.PROVEN
    assert found.spared is not None
    assert f"thread 33 of pid {FIRST}" in found.spared


def test_a_process_of_the_other_rank_in_the_knot_that_cannot_be_read_may_end_it() -> None:
    unread = but(parked(41), threads=())
    found = judged_1([WAITS], [waits_for(tid(KEEPER)), parked(), unread])
    assert (found.state, found.why) == (RankState.BLOCKED, "the threads of pid 41 cannot be read")


def test_a_third_rank_is_no_part_of_it() -> None:
    third = process(but(thread(tid(50), None), is_timed=True, live="sleep: sleeps for a set time"))
    ranks = [numbered(0, FIRST, KEEPER), numbered(1, MAIN), numbered(2, 50)]
    double = twice(WAITS, waits_for(tid(KEEPER)), parked(), third)
    one = judge(double, ranks, {}, WINDOW_S).ranks[1]
    assert (one.state, one.spared) == (RankState.PROVEN, None)


# The second clause.

STUCK_ON_HELPER = process(thread(tid(20), HELD), parent=MAIN)


def test_the_second_clause_wants_the_other_main_thread_in_the_knot_too() -> None:
    quiet_main = executor(EPOLL_HELPER)
    found = judged_1([quiet_main, STUCK_ON_HELPER], [working(FIRST), parked()], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, False)
    found = judged_1([quiet_main, STUCK_ON_HELPER], [waits_for(tid(KEEPER)), parked()], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, True)


def test_the_second_clause_wants_a_dead_process_of_the_ranks_own() -> None:
    manager = thread(tid(MAIN, 12), HELD)
    main = process(thread(tid(MAIN), futex(manager.id, EPOLL_HELPER.id)), manager, EPOLL_HELPER)
    found = judged_1([main], [waits_for(tid(KEEPER)), parked()], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, False)


def test_a_rank_with_a_knot_of_its_own_is_not_judged_by_the_others() -> None:
    found = judged_1([waiting_main(), stuck_child()], [working(FIRST), parked()])
    assert found.state is RankState.PROVEN
