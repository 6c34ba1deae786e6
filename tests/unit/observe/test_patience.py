"""What touches a dead file system is waited for once, and never by two threads."""

from __future__ import annotations

import threading

from hangprobe.observe.patience import Patience


def test_a_job_that_is_done_in_time_is_answered() -> None:
    assert Patience().get(lambda: 7) == 7


def test_a_job_that_is_late_is_left_behind_and_nothing_else_is_tried_until_it_has_come_back() -> None:
    release, tried = threading.Event(), list[int]()
    patience = Patience(limit_s=0.01)
    assert patience.get(release.wait) is None
    late = [thread for thread in threading.enumerate() if thread.name == "hangprobe-patience"]
    assert patience.get(lambda: tried.append(1)) is None
    assert (len(late), tried) == (1, [])
    release.set()
    late[0].join()
    patience.limit_s = 10.0
    assert patience.get(lambda: 7) == 7


def test_a_job_that_cannot_be_done_is_no_answer_and_no_hindrance() -> None:
    def fail() -> int:
        raise OSError(5, "Input/output error")

    patience = Patience()
    assert patience.get(fail) is None
    assert patience.get(lambda: 7) == 7
