"""alarm(2) kills by default and stands in no process: while more are set than before the job, nothing is proven."""

from __future__ import annotations

import pytest

from hangprobe.judgement import RankVerdict
from hangprobe.model import DoubleCollect, RankState

from .builders import BLOCKED_AT_S, CHILD, WINDOW_S, but, judged, stuck_child, twice, waiting_main


def with_alarms(alarms: bool | None, at_s: tuple[float, ...] | None = (BLOCKED_AT_S + 10.0,)) -> RankVerdict:
    double = twice(waiting_main(), stuck_child())
    return judged(DoubleCollect(double.first, but(double.second, alarms=alarms, alarms_at_s=at_s))).ranks[0]


def test_an_alarm_that_was_set_since_the_job_began_may_end_the_wait() -> None:
    found = with_alarms(True)
    assert (found.state, found.hung) == (RankState.BLOCKED, False)
    assert "alarm" in found.why


@pytest.mark.parametrize("at_s", [None, (BLOCKED_AT_S + WINDOW_S,), (BLOCKED_AT_S + 2 * WINDOW_S, BLOCKED_AT_S + 5.0)])
def test_one_that_goes_off_within_the_window_counts_and_so_does_one_of_which_that_is_not_known(
    at_s: tuple[float, ...] | None,
) -> None:
    assert with_alarms(True, at_s).state is RankState.BLOCKED


def test_one_that_goes_off_after_the_window_is_not_awaited_as_it_would_not_be_then() -> None:
    assert with_alarms(True, (BLOCKED_AT_S + WINDOW_S + 0.1,)).state is RankState.PROVEN


@pytest.mark.parametrize("alarms", [False, None])
def test_without_a_new_alarm_or_where_nobody_can_tell_a_knot_is_a_knot(alarms: bool | None) -> None:
    assert with_alarms(alarms).state is RankState.PROVEN


def test_a_knot_that_has_stood_for_the_window_is_past_any_alarm() -> None:
    double = twice(waiting_main(), stuck_child())
    alarmed = DoubleCollect(double.first, but(double.second, alarms=True))
    assert judged(alarmed, quiet_s=WINDOW_S).ranks[0].state is RankState.PROVEN


def test_a_thread_of_which_the_kernel_forgot_when_it_ran_has_stood_since_it_was_watched() -> None:
    child = stuck_child()
    forgotten = but(child, threads=tuple(but(view, last_ran_s=None) for view in child.threads))
    double = twice(waiting_main(), forgotten)
    alarmed = DoubleCollect(double.first, but(double.second, alarms=True, alarms_at_s=None))
    assert judged(alarmed).ranks[0].state is RankState.BLOCKED
    assert judged(alarmed, quiet_s=WINDOW_S, by_pid={CHILD: WINDOW_S}).ranks[0].state is RankState.PROVEN
