"""From a knot to a verdict: a knot is not yet a hang, and what is hung is not always ended."""

from __future__ import annotations

import pytest

from hangprobe.judge.beside import RETURN_S, WORKED_S
from hangprobe.judge.verdict import judge, victims
from hangprobe.model import DoubleCollect, ProcessView, RankState, Sighting, ThreadView, Verdict

from .builders import (
    BLOCKED_AT_S,
    CHILD,
    CLOCK_S,
    MAIN,
    WINDOW_S,
    but,
    child_wait,
    futex,
    judged,
    process,
    quiet,
    rank,
    snapshot,
    stuck_child,
    thread,
    tid,
    twice,
    verdict,
    waiting_main,
)

EPOLL_HELPER = but(thread(tid(MAIN, 11), None), is_poller=True, live="epoll: a wait of this kind is not told")
WORKER = but(thread(tid(MAIN, 11), None), state="R", cpu_s=1.0)
SLEEPER = but(thread(tid(MAIN, 11), None), is_timed=True, live="sleep: sleeps for a set time")
MPI = ("libmpi.so.12",)


def executor(*beside: ThreadView, **main: object) -> ProcessView:
    """Return a rank as ProcessPoolExecutor leaves it: main on a private futex, beside it a thread that waits for the
    child, and whatever else lives in the process."""
    manager = thread(tid(MAIN, 12), child_wait(tid(CHILD)))
    others = [manager, *beside]
    first = thread(tid(MAIN), futex(*(view.id for view in others)))
    return process(but(first, **main), *others)


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
    found = verdict([executor(EPOLL_HELPER, is_poller=False), stuck_child()], quiet_s=WINDOW_S)
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


def test_a_thread_whose_state_cannot_be_read_may_still_end_the_wait() -> None:
    assert beside(but(WORKER, state=None, cpu_s=None)) == MAY_ACT


def test_a_poll_with_a_time_out_is_a_sleep_too_unless_it_is_an_mpi_runtimes() -> None:
    poller = but(SLEEPER, is_poller=True, live="poll: waits with a time-out")
    assert beside(poller) == MAY_ACT
    assert verdict([waiting_main(poller, runtimes=MPI), stuck_child()]).state is RankState.PROVEN


def test_a_sleeper_in_another_rank_is_no_reason_to_doubt() -> None:
    other = process(but(thread(tid(30), None), is_timed=True))
    found = judged(twice(waiting_main(), stuck_child(), other), MAIN, CHILD).ranks[0]
    assert (found.state, found.pending, found.spared) == (RankState.PROVEN, (), None)


# What forbids to end a proven hang.


def test_the_polling_helper_of_an_mpi_runtime_does_not_spare_a_rank() -> None:
    assert verdict([waiting_main(EPOLL_HELPER, runtimes=MPI), stuck_child()]).spared is None


def test_a_polling_helper_without_an_mpi_runtime_spares_it() -> None:
    found = verdict([waiting_main(EPOLL_HELPER), stuck_child()])
    assert found.hung
    assert found.spared is not None


def test_a_working_thread_spares_it_with_or_without_mpi() -> None:
    found = verdict([waiting_main(WORKER, runtimes=MPI), stuck_child()])
    assert found.hung
    assert found.spared is not None


def test_the_main_thread_of_a_process_is_nobodys_polling_helper() -> None:
    poller = process(but(thread(tid(30), None), is_poller=True), runtimes=MPI)
    assert verdict([waiting_main(), stuck_child(), poller]).spared is not None


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


# What is not a hang.


def test_a_parked_child_beside_a_working_main_thread_is_healthy() -> None:
    working = process(but(thread(tid(MAIN), None), state="R", live="state: R"))
    judgement = judged(twice(working, stuck_child()), quiet_s=0.0)
    assert judgement.proven == {tid(CHILD)}
    assert (judgement.ranks[0].state, judgement.ranks[0].culprits) == (RankState.PROGRESSING, ())
    assert judgement.verdict is Verdict.OK


def test_a_main_thread_at_full_speed_is_progressing_however_quiet_the_rest() -> None:
    working = process(but(thread(tid(MAIN), None), state="R", live="state: R"))
    assert verdict([working, stuck_child()], quiet_s=10 * WINDOW_S).state is RankState.PROGRESSING


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("T", RankState.STOPPED),
        ("t", RankState.STOPPED),
        ("Z", RankState.EXITED),
        ("X", RankState.EXITED),
        ("D", RankState.PROGRESSING),
        (None, RankState.UNKNOWN),
    ],
)
def test_a_main_thread_in_another_state_says_so(state: str | None, expected: RankState) -> None:
    found = verdict([process(but(thread(tid(MAIN), None), state=state))], quiet_s=WINDOW_S)
    assert (found.state, found.hung) == (expected, False)


def test_a_main_thread_that_the_second_collect_did_not_see_is_unknown() -> None:
    double = twice(waiting_main(), stuck_child())
    gone = but(snapshot(stuck_child()), began_s=3.0, ended_s=4.0)
    assert judged(DoubleCollect(double.first, gone)).ranks[0].state is RankState.UNKNOWN


# From ranks to the job.


def test_ranks_are_judged_one_by_one_in_the_order_given() -> None:
    working = process(but(thread(tid(30), None), state="R", live="state: R"))
    other = but(rank(30, main=30), rank=0)
    judgement = judge(twice(waiting_main(), stuck_child(), working), [other, rank()], quiet(0.0), WINDOW_S)
    assert [(each.rank, each.state) for each in judgement.ranks] == [
        (0, RankState.PROGRESSING),
        (1, RankState.PROVEN),
    ]


def test_one_hung_rank_makes_the_job_a_hang_and_a_stalled_one_a_stall() -> None:
    assert judged(twice(executor(EPOLL_HELPER)), MAIN, quiet_s=WINDOW_S).verdict is Verdict.STALL
    assert judged(twice(executor(EPOLL_HELPER), stuck_child()), quiet_s=WINDOW_S).verdict is Verdict.HANG


def test_a_job_without_ranks_is_ok() -> None:
    assert judge(twice(), [], {}, WINDOW_S).verdict is Verdict.OK


# Victims: ranks that wait in MPI for a hung one.

POLLING = process(but(thread(tid(30), None), state="R", live="state: R"))


def test_a_rank_inside_mpi_beside_a_hung_one_waits_for_it() -> None:
    double = twice(waiting_main(), stuck_child(), POLLING)
    judgement = judge(double, [but(rank(30, main=30), rank=0), rank()], {}, WINDOW_S)
    zero, one = victims(judgement, in_mpi={0, 1}).ranks
    assert (zero.state, zero.hung, zero.why) == (RankState.WAITING, False, "waits in MPI for rank 1")
    assert one == judgement.ranks[1]


def test_a_rank_outside_mpi_is_nobodys_victim() -> None:
    double = twice(waiting_main(), stuck_child(), POLLING)
    judgement = judge(double, [but(rank(30, main=30), rank=0), rank()], {}, WINDOW_S)
    assert victims(judgement, in_mpi={1}) == judgement


def test_without_a_hung_rank_there_are_no_victims() -> None:
    judgement = judge(twice(POLLING), [but(rank(30, main=30), rank=0)], {}, WINDOW_S)
    assert victims(judgement, in_mpi={0}) == judgement
