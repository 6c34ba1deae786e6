"""An observer at work, without a network and without a job: what it tells, obeys and concludes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hangprobe.agent.link.messages import Alive, Answer, End, Hello, LookAgain, NameVictims, Welcome
from hangprobe.agent.observer import observing
from hangprobe.agent.observer.observing import ALIVE_S, ALONE_S, NOBODY, ORPHANED_TERM_S, OVER_S, Observer

from .at_work import At, process, watched

TERM_S = 2.0


@pytest.fixture
def at(tmp_path: Path) -> At:
    return At(tmp_path)


# when the job is over


def test_while_the_head_is_heard_it_is_not_over_though_nothing_of_it_is_here(at: At) -> None:
    at.job.alive, at.line.is_gone = [], True
    at.link.unlink()
    assert not at.pass_by(60)


def test_a_head_that_is_only_silent_or_cannot_be_reached_changes_nothing(at: At) -> None:
    at.line.is_connected = False
    assert not at.pass_by(3600)


def test_that_the_head_refuses_is_not_enough_while_its_file_is_there(at: At) -> None:
    at.line.is_connected, at.line.is_gone = False, True
    assert not at.pass_by(60)


def test_that_the_file_is_gone_is_not_enough_while_the_head_does_not_refuse(at: At) -> None:
    at.line.is_connected = False
    at.link.unlink()
    assert not at.pass_by(60)


def test_if_the_head_refuses_and_its_file_is_gone_the_job_is_over(at: At) -> None:
    at.line.is_connected, at.line.is_gone = False, True
    at.link.unlink()
    assert at.pass_by(2 * OVER_S)


def test_alone_with_nothing_left_to_watch_the_observer_leaves_after_a_while(at: At) -> None:
    at.line.is_connected, at.job.alive = False, []
    assert not at.pass_by(ALONE_S - 1)
    assert at.pass_by(3)


def test_who_was_alone_for_a_moment_begins_to_count_anew(at: At) -> None:
    at.line.is_connected, at.job.alive = False, []
    assert not at.pass_by(ALONE_S - 1)
    at.line.is_connected = True
    assert not at.pass_by(60)
    at.line.is_connected = False
    assert not at.pass_by(ALONE_S - 1)


def test_what_the_job_has_here_is_ended_when_it_is_over(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    at.line.is_connected, at.line.is_gone = False, True
    at.link.unlink()
    monkeypatch.setattr(Observer, "_wait", lambda self, pause_s: None)
    at.observer.run()
    assert at.job.ended == [ORPHANED_TERM_S]
    assert at.line.said[-1] == Answer(NOBODY)
    assert at.line.is_closed


# what is said and obeyed


def test_the_first_word_is_hello_and_so_it_is_on_every_new_connection(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = iter([True, False, True])

    def reconnect(self: Observer, pause_s: float) -> None:
        at.line.is_new = next(rounds, False)
        at.line.inbox = [End(3, TERM_S)] if not at.line.is_new and len(at.line.said) >= 2 else []

    monkeypatch.setattr(Observer, "_wait", reconnect)
    at.observer.run()
    assert [type(body) for body in at.line.said[:2]] == [Hello, Hello]
    assert at.line.said[0].pid == os.getpid()


def test_the_order_to_end_is_obeyed_and_what_is_left_is_told(at: At) -> None:
    at.job.left = [process(77, 1)]
    at.observer._obey(End(5, TERM_S))
    assert at.job.ended == [TERM_S]
    assert at.line.said == [Answer(5, None, ("77 python (S)",))]
    assert at.observer._is_done


@pytest.mark.parametrize("request_", [LookAgain(4), NameVictims(4, "0-999")])
def test_who_does_not_watch_yet_answers_that_nothing_is_known(at: At, request_: object) -> None:
    at.observer._obey(request_)
    assert at.line.said == [Answer(4, None)]


def test_who_does_not_watch_says_now_and_then_that_it_is_alive(at: At) -> None:
    at.observer._say(Hello(1, 1))
    at.pass_by(3 * ALIVE_S + 1)
    assert at.line.said[1:] == [Alive()] * 3


def test_one_without_eyes_does_not_begin_to_watch(tmp_path: Path) -> None:
    at = At(tmp_path, has_eyes=False)
    at.observer._obey(Welcome(0.25, 60.0, False))
    assert at.observer.watchdog is None


def test_only_what_has_changed_is_told(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "Told", lambda digest: "told")
    monkeypatch.setattr(observing, "digest_with_locks", lambda watchdog, locks: None)
    at.observer.watchdog = watchdog = watched()
    at.pass_by(1.0)
    assert at.line.said == ["told"]
    watchdog.running = set()
    at.pass_by(1.0)
    assert at.line.said == ["told", "told"]
    at.pass_by(ALIVE_S)
    assert at.line.said == ["told", "told", Alive()]
