"""A rank has stalled if nothing of it has moved for the window while its main thread waits for something but time."""

from __future__ import annotations

import pytest

from hangprobe.judge.progress import is_stalled
from hangprobe.judgement import Progress

from .builders import WINDOW_S, but, futex, thread, tid

ASLEEP = thread(tid(10), futex())
QUIET = Progress(1, WINDOW_S)


def test_a_sleeping_main_thread_in_a_tree_that_was_quiet_for_the_window_has_stalled() -> None:
    assert is_stalled(ASLEEP, QUIET, WINDOW_S)


def test_quiet_for_less_than_the_window_is_no_stall() -> None:
    assert not is_stalled(ASLEEP, Progress(1, WINDOW_S - 0.001), WINDOW_S)


def test_a_main_thread_that_sleeps_for_a_set_time_never_stalls() -> None:
    assert not is_stalled(but(ASLEEP, is_timed=True), QUIET, WINDOW_S)


@pytest.mark.parametrize("state", ["R", "D", "T", "t", "Z", "X", None])
def test_a_main_thread_that_is_not_asleep_never_stalls(state: str | None) -> None:
    assert not is_stalled(but(ASLEEP, state=state), QUIET, WINDOW_S)


def test_without_a_measure_of_progress_nothing_is_called_stalled() -> None:
    assert not is_stalled(ASLEEP, None, WINDOW_S)
