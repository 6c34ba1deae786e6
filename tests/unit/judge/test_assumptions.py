"""What a verdict rests on beside what was seen: said wherever it was needed, and nowhere else."""

from __future__ import annotations

import pytest

from hangprobe.judge.collects import assumptions, blocked_through, runtime_helpers, without_helpers
from hangprobe.model import Assumption, DoubleCollect, ProcessView, RankState, ThreadView, Wait, WaitKind

from .builders import (
    CHILD,
    EPOLL_HELPER,
    MAIN,
    WINDOW_S,
    aged,
    but,
    executor,
    futex,
    judged,
    process,
    snapshot,
    stuck_child,
    thread,
    tid,
    twice,
    verdict,
    waiting_main,
)
from .shared import kept_by, lock_wait, parked, rank_1, waiter

A1, A2 = Assumption.A1, Assumption.A2
HELPER = EPOLL_HELPER.id


def pipe(*wakers: object, assumes: tuple[Assumption, ...] = (), kind: WaitKind = WaitKind.PIPE_READ) -> Wait:
    return Wait(kind, "pipe:[7]", frozenset(wakers), assumes=assumes)  # type: ignore[arg-type]


def child_on(wait: Wait) -> ProcessView:
    return process(thread(tid(CHILD), wait), parent=MAIN)


def two(first: ProcessView, second: ProcessView, *both: ProcessView) -> DoubleCollect:
    """Return collects that saw one process in two ways, and others alike."""
    return DoubleCollect(snapshot(first, *both), but(snapshot(second, *both), began_s=3.0, ended_s=4.0))


# A1: processes that may not be read.


def test_a_knot_that_was_seen_whole_assumes_nothing() -> None:
    assert verdict([waiting_main(), stuck_child()]).assumes == ()


def test_what_one_wait_assumes_the_whole_verdict_does() -> None:
    found = verdict([waiting_main(), child_on(pipe(assumes=(A1,)))])
    assert (found.state, found.assumes) == (RankState.PROVEN, (A1,))


@pytest.mark.parametrize(("first", "second"), [((A1,), ()), ((), (A1,)), ((A1,), (A1,))])
def test_what_either_collect_assumes_is_assumed_once(
    first: tuple[Assumption, ...], second: tuple[Assumption, ...]
) -> None:
    double = two(child_on(pipe(assumes=first)), child_on(pipe(assumes=second)), waiting_main())
    assert judged(double).ranks[0].assumes == (A1,)


def test_what_a_wait_outside_the_knot_assumes_concerns_nobody() -> None:
    other = process(thread(tid(30), pipe(tid(31), assumes=(A1,))))
    assert verdict([waiting_main(), stuck_child(), other]).assumes == ()


def test_the_second_clause_says_its_assumptions_too() -> None:
    found = verdict([executor(EPOLL_HELPER), child_on(pipe(assumes=(A1,)))], quiet_s=WINDOW_S)
    assert (found.hung, found.assumes) == (True, (A1,))


def test_a_leak_says_its_assumptions_too() -> None:
    wait = but(lock_wait(*kept_by()), assumes=(A1,))
    assert rank_1(waiter(wait), parked()).assumes == (A1,)


# A2: an MPI runtime's own threads.


@pytest.mark.parametrize(
    "kind", [WaitKind.PIPE_READ, WaitKind.PIPE_WRITE, WaitKind.FILE_LOCK, WaitKind.POLL, WaitKind.FUTEX_SHARED]
)
def test_a_runtimes_helper_uses_nothing_of_the_applications(kind: WaitKind) -> None:
    found = verdict([waiting_main(EPOLL_HELPER), child_on(pipe(HELPER, kind=kind))])
    assert (found.state, found.hung, found.assumes) == (RankState.PROVEN, True, (A2,))


@pytest.mark.parametrize("kind", [WaitKind.FUTEX_PRIVATE, WaitKind.MUTEX])
def test_a_lock_of_its_own_process_it_may_well_release(kind: WaitKind) -> None:
    # the lock of its library, that the main thread waits for
    main = process(thread(tid(MAIN), but(futex(HELPER), kind=kind)), EPOLL_HELPER)
    judgement = judged(twice(main), MAIN)
    assert judgement.blocked == frozenset()
    assert judgement.ranks[0].state is RankState.PROGRESSING


def test_a_helper_that_is_left_in_as_a_waker_is_not_assumed_away() -> None:
    main = process(thread(tid(MAIN), futex(HELPER)), EPOLL_HELPER)
    double = twice(main)
    assert assumptions([tid(MAIN)], blocked_through(double), double) == ()


def test_a_helper_that_could_wake_nobody_of_the_knot_is_not_spoken_of() -> None:
    assert verdict([waiting_main(EPOLL_HELPER), stuck_child()]).assumes == ()


def test_a_thread_of_the_application_that_polls_alike_keeps_the_wait_open() -> None:
    listener = but(EPOLL_HELPER, is_runtime_helper=False)
    found = verdict([waiting_main(listener), child_on(pipe(HELPER))])
    assert (found.state, found.assumes) == (RankState.PROGRESSING, ())


def test_a_thread_must_be_a_helper_in_both_collects() -> None:
    helper, other = waiting_main(EPOLL_HELPER), waiting_main(but(EPOLL_HELPER, is_runtime_helper=False))
    child = child_on(pipe(HELPER))
    assert runtime_helpers(two(helper, helper, child)) == {HELPER}
    for first, second in ((helper, other), (other, helper)):
        assert runtime_helpers(two(first, second, child)) == frozenset()
        assert judged(two(first, second, child)).ranks[0].state is RankState.PROGRESSING


def test_a_helper_that_only_the_first_collect_saw_as_a_waker_is_assumed_harmless_too() -> None:
    double = two(child_on(pipe(HELPER)), child_on(pipe()), waiting_main(EPOLL_HELPER))
    assert judged(double).ranks[0].assumes == (A2,)


def test_both_assumptions_stand_in_their_order() -> None:
    found = verdict([waiting_main(EPOLL_HELPER), child_on(pipe(HELPER, assumes=(A1,)))])
    assert found.assumes == (A1, A2)


def test_helpers_are_left_out_as_wakers_only() -> None:
    double = twice(waiting_main(EPOLL_HELPER), child_on(pipe(HELPER, tid(MAIN))))
    standing = blocked_through(double)
    assert without_helpers(standing, double) == {tid(MAIN): {tid(CHILD)}, tid(CHILD): {tid(MAIN)}}
    assert assumptions([tid(MAIN)], standing, double) == ()
    assert assumptions([tid(CHILD)], standing, double) == (A2,)


def test_a_thread_that_is_in_no_wait_assumes_nothing() -> None:
    double = twice(waiting_main(EPOLL_HELPER))
    assert assumptions([HELPER, tid(99)], blocked_through(double), double) == ()


# Polls: a main thread that waits in one may be in the knot itself.


def poll(*wakers: object) -> Wait:
    return Wait(WaitKind.POLL, "pipe:[7], pipe:[8]", frozenset(wakers))  # type: ignore[arg-type]


def test_a_main_thread_that_polls_what_only_a_dead_child_could_write_is_in_the_knot() -> None:
    main = process(thread(tid(MAIN), poll(tid(CHILD), HELPER)), EPOLL_HELPER)
    found = verdict([main, stuck_child()])
    assert (found.state, found.assumes) == (RankState.PROVEN, (A2,))


def test_one_live_writer_of_a_poll_is_enough() -> None:
    main = process(thread(tid(MAIN), poll(tid(CHILD), tid(21))))
    running = process(but(thread(tid(21), None), state="R"), parent=MAIN)
    assert verdict([main, stuck_child(), running]).state is RankState.PROGRESSING


def test_the_second_clause_reaches_a_dead_process_through_a_poll() -> None:
    def rank_of(first: ThreadView) -> ProcessView:
        poller = thread(tid(MAIN, 12), poll(tid(CHILD)))
        return process(but(first, wait=futex(poller.id, HELPER), live=None), poller, EPOLL_HELPER)

    main = rank_of(thread(tid(MAIN), None))
    assert verdict([main, stuck_child()], quiet_s=WINDOW_S - 0.1).hung is False
    found = verdict([main, stuck_child()], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, True)


def test_the_second_clause_stops_at_a_poll_with_a_time_out() -> None:
    poller = but(thread(tid(MAIN, 12), None), is_timed=True, live="poll: waits with a time-out")
    main = process(thread(tid(MAIN), futex(poller.id, HELPER)), poller, EPOLL_HELPER)
    double = aged(twice(main, stuck_child()), WINDOW_S)
    found = judged(double, quiet_s=WINDOW_S).ranks[0]
    assert (found.state, found.hung) == (RankState.STALLED, False)
