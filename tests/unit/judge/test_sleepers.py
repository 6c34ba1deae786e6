"""Who may still mean to end a knot, and what merely lives beside one and forbids to end the job."""

from __future__ import annotations

import pytest

from hangprobe.judge.beside import BUSY_SHARE, RETURN_S, SAME_TIME_S, WORKED_S
from hangprobe.judge.verdict import judge
from hangprobe.judgement import RankVerdict, Sighting
from hangprobe.model import DoubleCollect, ProcessView, RankState, ThreadView

from .builders import (
    BETWEEN_S,
    BLOCKED_AT_S,
    CHILD,
    CLOCK_S,
    EPOLL_HELPER,
    MAIN,
    SLEEPER,
    WINDOW_S,
    WORKER,
    but,
    executor,
    futex,
    judged,
    process,
    process_id,
    rank,
    snapshot,
    stuck_child,
    thread,
    tid,
    twice,
    verdict,
    waiting_main,
)

# Who may still end the wait.

SEEN_AT_S = CLOCK_S - RETURN_S
"""Long enough ago, and after the knot had closed."""


def sighted(at_s: float = SEEN_AT_S, **changes: object) -> Sighting:
    """Return the sleeper as it was seen in an earlier collect: in the same sleep, before it ran."""
    return but(Sighting(SLEEPER.id, SLEEPER.call or "", 6, at_s), **changes)


def beside(view: ThreadView, *sightings: Sighting) -> tuple[RankState, bool, bool]:
    """Return state, whether hung, and whether `view` is what may still end the wait."""
    found = verdict([waiting_main(view), stuck_child()], sightings=sightings)
    return found.state, found.hung, found.pending == (view.id,)


MAY_ACT = (RankState.BLOCKED, False, True)
IS_HUNG = (RankState.PROVEN, True, False)


def test_a_timed_sleeper_keeps_a_knot_from_being_a_hang() -> None:
    assert beside(SLEEPER) == MAY_ACT


@pytest.mark.parametrize("after_s", [0.0001, 0.001, 0.1, 2.9])
def test_a_timer_that_begins_to_sleep_after_the_knot_closed_does_so_too(after_s: float) -> None:
    # Measured: Timer.start() returns before its thread sleeps, so join() may close the knot first (3 of 200 runs).
    assert beside(but(SLEEPER, last_ran_s=BLOCKED_AT_S + after_s)) == MAY_ACT


def test_a_sleeper_that_came_back_to_the_same_sleep_is_no_timer_but_spares_the_rank() -> None:
    assert beside(SLEEPER, sighted()) == IS_HUNG
    assert verdict([waiting_main(SLEEPER), stuck_child()], sightings=[sighted()]).spared is not None


@pytest.mark.parametrize(
    "sight",
    [
        pytest.param(sighted(at_s=CLOCK_S - RETURN_S + 0.01), id="a moment ago: waits for the interpreter lock repeat"),
        pytest.param(sighted(at_s=BLOCKED_AT_S - 0.01), id="before the knot closed"),
        pytest.param(sighted(run_count=SLEEPER.run_count), id="and has not run since"),
        pytest.param(sighted(call="another sleep"), id="in another sleep"),
        pytest.param(sighted(thread=tid(MAIN, 12)), id="as another thread"),
    ],
)
def test_any_other_sight_of_it_leaves_the_doubt(sight: Sighting) -> None:
    assert beside(SLEEPER, sight) == MAY_ACT


def test_where_the_closing_time_is_not_known_any_sleeper_may_still_end_the_wait() -> None:
    unknown = process(but(thread(tid(CHILD), futex()), last_ran_s=None), parent=MAIN)
    assert verdict([waiting_main(SLEEPER), unknown], sightings=[sighted()]).pending == (SLEEPER.id,)


@pytest.mark.parametrize("cpu_s", [None, 0.0, WORKED_S * 0.99])
def test_a_running_thread_that_has_hardly_worked_may_have_just_begun_or_woken(cpu_s: float | None) -> None:
    assert beside(but(WORKER, cpu_s=cpu_s)) == MAY_ACT


def test_a_running_thread_that_has_worked_spares_the_rank_and_is_no_doubt() -> None:
    assert beside(but(WORKER, cpu_s=WORKED_S)) == IS_HUNG


@pytest.mark.parametrize(
    ("earlier_s", "is_open"),
    [
        pytest.param(9.0 - BETWEEN_S, False, id="all the time"),
        pytest.param(9.0 - BUSY_SHARE * BETWEEN_S, False, id="half the time"),
        pytest.param(9.0 - BUSY_SHARE * BETWEEN_S + 0.01, True, id="less than half"),
        pytest.param(9.0, True, id="it has just woken"),
        pytest.param(None, True, id="unknown"),
    ],
)
def test_a_thread_that_has_worked_must_have_been_running_between_the_collects_too(
    earlier_s: float | None, is_open: bool
) -> None:
    double = twice(waiting_main(WORKER), stuck_child())
    first = snapshot(waiting_main(but(WORKER, runnable_s=earlier_s)), stuck_child())
    found = judged(DoubleCollect(first, double.second)).ranks[0]
    assert (found.state, found.pending) == ((RankState.BLOCKED, (WORKER.id,)) if is_open else (RankState.PROVEN, ()))


def test_a_worker_that_the_first_collect_did_not_see_may_have_just_begun() -> None:
    double = twice(waiting_main(WORKER), stuck_child())
    found = judged(DoubleCollect(snapshot(waiting_main(), stuck_child()), double.second)).ranks[0]
    assert (found.state, found.pending) == (RankState.BLOCKED, (WORKER.id,))


def test_a_worker_of_which_the_second_collect_knows_no_running_time_may_have_just_woken() -> None:
    assert beside(but(WORKER, runnable_s=None)) == MAY_ACT


def test_a_thread_whose_state_cannot_be_read_may_still_end_the_wait() -> None:
    assert beside(but(WORKER, state=None, cpu_s=None)) == MAY_ACT


def test_a_poll_with_a_time_out_is_a_sleep_too_unless_it_is_an_mpi_runtimes() -> None:
    poller = but(SLEEPER, live="poll: waits with a time-out")
    assert beside(poller) == MAY_ACT
    assert beside(but(poller, is_runtime_helper=True)) == IS_HUNG


def test_a_sleeper_in_another_rank_is_no_reason_to_doubt() -> None:
    other = process(but(thread(tid(30), None), is_timed=True))
    found = judged(twice(waiting_main(), stuck_child(), other), MAIN, CHILD).ranks[0]
    assert (found.state, found.pending, found.spared) == (RankState.PROVEN, (), None)


# What forbids to end a proven hang.


def test_the_helper_of_an_mpi_runtime_does_not_spare_a_rank() -> None:
    assert verdict([waiting_main(EPOLL_HELPER), stuck_child()]).spared is None


# A thread of the application that waits for something else: for a message upon which it terminates the child.

LISTENER = but(EPOLL_HELPER, is_runtime_helper=False)


def stood(view: ProcessView, *others: ProcessView, for_s: float = WINDOW_S) -> RankVerdict:
    """Return what is said of a rank whose knot closed `for_s` ago."""
    return verdict([view, stuck_child(), *others], quiet_s=for_s)


def test_a_listener_of_a_process_in_the_knot_may_end_the_wait_until_the_knot_has_stood_for_the_window() -> None:
    assert beside(LISTENER) == MAY_ACT
    assert stood(waiting_main(LISTENER), for_s=WINDOW_S - 0.1).pending == (LISTENER.id,)
    found = stood(waiting_main(LISTENER))
    assert (found.state, found.hung, found.pending) == (RankState.PROVEN, True, ())
    assert found.spared == f"thread 11 of pid {MAIN} is live ({LISTENER.live})"


@pytest.mark.parametrize("last_ran_s", [None, 0.0, BLOCKED_AT_S + 1.0])
def test_when_the_listener_last_ran_does_not_matter(last_ran_s: float | None) -> None:
    assert beside(but(LISTENER, last_ran_s=last_ran_s)) == MAY_ACT


def test_where_nobody_knows_when_the_knot_closed_it_has_not_stood() -> None:
    unknown = process(but(thread(tid(CHILD), futex()), last_ran_s=None), parent=MAIN)
    assert verdict([waiting_main(LISTENER), unknown], quiet_s=10 * WINDOW_S).pending == (LISTENER.id,)


def apart(**changes: object) -> ProcessView:
    """Return a shell beside the child, in a process that has no thread in the knot."""
    return process(but(LISTENER, id=tid(30), **changes), parent=MAIN)


def test_a_process_apart_that_has_run_since_the_knot_closed_may_end_it_as_a_shell_does() -> None:
    late = apart(last_ran_s=BLOCKED_AT_S + 1.0)
    assert verdict([waiting_main(), stuck_child(), late]).pending == (tid(30),)
    assert stood(waiting_main(), late).state is RankState.PROVEN


def test_times_of_two_processors_are_the_same_up_to_what_is_stolen_of_one() -> None:
    moments_before = apart(last_ran_s=BLOCKED_AT_S - SAME_TIME_S / 2)
    assert verdict([waiting_main(), stuck_child(), moments_before]).pending == (tid(30),)


@pytest.mark.parametrize("before_s", [1.1 * SAME_TIME_S, 1.0])
def test_a_process_apart_that_has_not_run_since_the_knot_closed_spares_the_rank(before_s: float) -> None:
    found = verdict([waiting_main(), stuck_child(), apart(last_ran_s=BLOCKED_AT_S - before_s)])
    assert (found.state, found.pending) == (RankState.PROVEN, ())
    assert found.spared is not None


def test_a_worker_that_rests_now_and_then_is_no_doubt_once_the_knot_has_stood() -> None:
    resting = but(WORKER, runnable_s=None)
    assert stood(waiting_main(resting), for_s=WINDOW_S - 0.1).pending == (WORKER.id,)
    assert stood(waiting_main(resting)).state is RankState.PROVEN


@pytest.mark.parametrize("view", [SLEEPER, but(WORKER, cpu_s=0.0)])
def test_no_time_makes_a_timer_harmless_nor_a_thread_that_has_just_begun(view: ThreadView) -> None:
    assert stood(waiting_main(view), for_s=100 * WINDOW_S).pending == (view.id,)


def test_a_working_thread_spares_it_with_or_without_mpi() -> None:
    for runtimes in ((), ("libmpi.so.12",)):
        found = verdict([waiting_main(WORKER, runtimes=runtimes), stuck_child()])
        assert found.hung
        assert found.spared is not None


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_thread_that_has_ended_spares_nobody(state: str) -> None:
    ended = process(but(thread(tid(30), None), state=state))
    assert verdict([waiting_main(), stuck_child(), ended]).spared is None


def test_a_process_whose_threads_could_not_be_read_may_hold_a_timer_that_ends_the_wait() -> None:
    unread = but(process(thread(tid(30), None)), threads=())
    found = verdict([waiting_main(), stuck_child(), unread])
    assert (found.state, found.hung) == (RankState.BLOCKED, False)
    found = verdict([executor(EPOLL_HELPER), stuck_child(), unread], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (RankState.STALLED, False)


# The shells behind which a program runs only wait for it.

SHELL = 5


def behind_shells(*shells: ProcessView, top: int = SHELL) -> RankVerdict:
    """Return what is said of a rank whose first process is `top` and whose program was started by the last shell."""
    program = but(waiting_main(), parent=shells[-1].id.pid)
    pids = sorted({top, *(shell.id.pid for shell in shells)})
    view = but(rank(*pids, MAIN, CHILD, main=MAIN), top=process_id(top))
    return judge(twice(*shells, program, stuck_child()), [view], {}, WINDOW_S).ranks[0]


def shell(pid: int, parent: int = 1) -> ProcessView:
    """Return a shell of whose wait nothing is known but that it has not run for long."""
    return process(but(thread(tid(pid), None), last_ran_s=CLOCK_S - WINDOW_S), parent=parent)


def test_the_shell_that_started_the_program_spares_no_rank() -> None:
    assert behind_shells(shell(SHELL)).spared is None
    assert behind_shells(shell(SHELL), shell(6, parent=SHELL)).spared is None


def test_a_process_above_the_program_that_leads_to_no_first_process_may_be_anything() -> None:
    found = behind_shells(shell(6, parent=77))
    assert found.state is RankState.PROVEN
    assert found.spared == "thread 6 of pid 6 is live (syscall: running)"


def test_a_process_beside_the_shells_spares_the_rank() -> None:
    beside = shell(7, parent=SHELL)
    program = but(waiting_main(), parent=SHELL)
    view = but(rank(SHELL, 7, MAIN, CHILD, main=MAIN), top=process_id(SHELL))
    found = judge(twice(shell(SHELL), beside, program, stuck_child()), [view], {}, WINDOW_S).ranks[0]
    assert found.spared == "thread 7 of pid 7 is live (syscall: running)"
