"""The two clauses by which a rank is hung, and the signals that forbid both."""

from __future__ import annotations

import pytest

from hangprobe.model import RankState, Verdict, Wait, WaitKind

from .builders import (
    BLOCKED_AT_S,
    CHILD,
    CLOCK_S,
    EPOLL_HELPER,
    MAIN,
    SLEEPER,
    WINDOW_S,
    but,
    child_wait,
    executor,
    futex,
    judged,
    process,
    stuck_child,
    thread,
    tid,
    twice,
    verdict,
    waiting_main,
    working,
)

# Clause 1: the main thread is in the knot.


def test_a_rank_whose_main_thread_is_in_the_knot_is_hung() -> None:
    found = verdict([waiting_main(), stuck_child()])
    assert (found.state, found.hung, found.spared, found.pending) == (RankState.PROVEN, True, None, ())


def test_both_threads_are_in_both_knots_and_the_job_hangs() -> None:
    judgement = judged(twice(waiting_main(), stuck_child()))
    assert judgement.proven == judgement.blocked == {tid(MAIN), tid(CHILD)}
    assert judgement.verdict is Verdict.HANG


def test_the_culprit_named_first_is_the_one_that_waits_for_no_child() -> None:
    assert verdict([waiting_main(), stuck_child()]).culprits == (tid(CHILD), tid(MAIN))


def test_a_knot_needs_no_quiet_time() -> None:
    assert verdict([waiting_main(), stuck_child()], quiet_s=0.0).hung


def test_the_age_of_the_main_threads_wait_comes_from_the_scheduler_clock() -> None:
    found = verdict([waiting_main(), stuck_child()])
    assert found.since_s == pytest.approx(CLOCK_S - BLOCKED_AT_S)


def test_a_main_thread_that_runs_has_been_waiting_for_no_time() -> None:
    assert verdict([working(MAIN)]).since_s is None


def test_a_runtimes_helper_in_the_knot_is_no_culprit() -> None:
    helper = but(thread(EPOLL_HELPER.id, Wait(WaitKind.POLL, "pipe:[8]", frozenset())), is_runtime_helper=True)
    child = process(thread(tid(CHILD), Wait(WaitKind.PIPE_READ, "pipe:[7]", frozenset({helper.id}))), parent=MAIN)
    judgement = judged(twice(waiting_main(helper), child))
    assert judgement.proven == {tid(MAIN), tid(CHILD), helper.id}
    assert judgement.ranks[0].culprits == (tid(CHILD), tid(MAIN))


def test_the_knot_closed_when_the_last_of_its_threads_blocked() -> None:
    late = process(but(thread(tid(CHILD), futex()), last_ran_s=102.5), parent=MAIN)
    assert verdict([waiting_main(), late]).closed_s == 102.5


def test_when_one_blocking_time_is_not_known_neither_is_the_closing_time() -> None:
    unknown = process(but(thread(tid(CHILD), futex()), last_ran_s=None), parent=MAIN)
    assert verdict([waiting_main(), unknown]).closed_s is None


def test_a_lone_thread_that_waits_for_itself_is_hung() -> None:
    assert verdict([process(thread(tid(MAIN), futex()))]).state is RankState.PROVEN


# Signals.


def test_a_child_that_catches_signals_makes_its_rank_blocked_and_not_hung() -> None:
    found = verdict([waiting_main(), stuck_child(signals="catches TERM")])
    assert (found.state, found.hung, found.why) == (RankState.BLOCKED, False, f"pid {CHILD} catches TERM")


def test_a_rank_that_catches_signals_itself_is_blocked() -> None:
    judgement = judged(twice(waiting_main(signals="catches USR2"), stuck_child()))
    assert judgement.ranks[0].state is RankState.BLOCKED
    assert judgement.proven == {tid(CHILD)}
    assert judgement.blocked == {tid(CHILD), tid(MAIN)}
    assert judgement.verdict is Verdict.OK


def test_blocked_alone_is_no_hang_however_long_it_lasts() -> None:
    found = verdict([waiting_main(signals="catches TERM"), stuck_child()], quiet_s=10 * WINDOW_S)
    assert (found.state, found.hung) == (RankState.BLOCKED, False)


# Clause 2: a main thread that can never be in the knot itself, because MPI keeps a thread in epoll beside it.


def test_a_main_thread_beside_a_poller_that_depends_on_a_dead_child_is_hung_after_the_window() -> None:
    found = verdict([executor(EPOLL_HELPER, is_runtime_helper=False), stuck_child()], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, True)
    assert found.culprits == (tid(CHILD),)
    assert found.closed_s == BLOCKED_AT_S


def test_such_a_rank_is_never_ended_by_default() -> None:
    assert verdict([executor(EPOLL_HELPER), stuck_child()], quiet_s=WINDOW_S).spared


def test_before_the_window_it_is_progressing() -> None:
    found = verdict([executor(EPOLL_HELPER), stuck_child()], quiet_s=WINDOW_S - 0.1)
    assert (found.state, found.hung) == (RankState.PROGRESSING, False)


def test_a_quiet_rank_that_depends_on_no_dead_process_is_stalled_and_not_hung() -> None:
    busy = process(but(thread(tid(CHILD), None), state="R"), parent=MAIN)
    found = verdict([executor(EPOLL_HELPER), busy], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, False)


def test_every_thread_of_the_process_depended_on_must_be_dead() -> None:
    half = stuck_child(thread(tid(CHILD, 21), None))
    found = verdict([executor(EPOLL_HELPER), half], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, False)


def test_a_process_depended_on_whose_threads_cannot_be_read_is_not_dead() -> None:
    unread = but(stuck_child(), threads=())
    found = verdict([executor(EPOLL_HELPER), unread], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, False)
    found = judged(twice(executor(EPOLL_HELPER)), MAIN, CHILD, quiet_s=WINDOW_S).ranks[0]
    assert (found.state, found.hung) == (RankState.STALLED, False)


def test_a_dead_process_outside_the_rank_tree_holds_no_rank() -> None:
    double = twice(executor(EPOLL_HELPER), stuck_child())
    found = judged(double, MAIN, quiet_s=WINDOW_S).ranks[0]
    assert (found.state, found.hung) == (RankState.STALLED, False)


def test_a_dead_process_from_which_the_main_thread_waits_for_nothing_holds_no_rank() -> None:
    main = process(thread(tid(MAIN), futex(EPOLL_HELPER.id)), EPOLL_HELPER)
    found = verdict([main, stuck_child()], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, False)


def test_a_dead_process_that_catches_signals_holds_no_rank() -> None:
    found = verdict([executor(EPOLL_HELPER), stuck_child(signals="catches TERM")], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, False)


def test_a_manager_in_between_that_catches_signals_breaks_the_chain() -> None:
    middle = process(thread(tid(30), child_wait(tid(CHILD))), parent=MAIN, signals="catches TERM")
    others = [thread(tid(MAIN, 12), but(child_wait(tid(30)), object="pid 30")), EPOLL_HELPER]
    main = process(thread(tid(MAIN), futex(*(view.id for view in others))), *others)
    found = verdict([main, middle, stuck_child()], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, False)


def test_a_timed_sleeper_of_the_tree_forbids_the_second_clause_too() -> None:
    timer = but(SLEEPER, id=tid(MAIN, 13))
    found = verdict([executor(EPOLL_HELPER, timer), stuck_child()], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, False)


@pytest.mark.parametrize("quiet_s", [0.0, WINDOW_S, 100 * WINDOW_S])
def test_a_main_thread_in_a_timed_wait_is_never_stalled(quiet_s: float) -> None:
    main = process(but(thread(tid(MAIN), None), is_timed=True, live="sleep: sleeps for a set time"))
    found = verdict([main, stuck_child()], quiet_s=quiet_s)
    assert (found.state, found.hung) == (RankState.PROGRESSING, False)
