"""A second Ctrl-C waits until nothing of a trial is left."""

from __future__ import annotations

import signal

import pytest

from hangprobe.ensemble.interruptions import held_back


def interrupted(done: list[str], is_held: bool = True, error: Exception | None = None) -> None:
    """Be interrupted twice while something is to be done, and perhaps fail at it."""
    with held_back() as hold:
        if is_held:
            hold(None)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        if error is not None:
            raise error
        done.append("swept")


def test_an_interruption_takes_effect_at_the_end() -> None:
    done, before = list[str](), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupted(done)
    assert done == ["swept"]
    assert signal.getsignal(signal.SIGINT) is before


def test_before_it_holds_an_interruption_takes_effect_at_once() -> None:
    done = list[str]()
    with pytest.raises(KeyboardInterrupt):
        interrupted(done, is_held=False)
    assert done == []


def test_a_trial_that_fails_is_interrupted_all_the_same() -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted([], error=OSError(5, "Input/output error"))


def test_what_is_ignored_stays_ignored_and_without_a_signal_nothing_happens() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with held_back() as hold:
            hold(None)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
