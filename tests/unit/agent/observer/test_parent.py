"""A parent hands on what its rank has not got, and nothing that it has."""

from __future__ import annotations

import signal

import pytest

from hangprobe.agent.observer.parent import Action, decide
from hangprobe.launch.relay import Received

LAUNCHER, SOMEBODY = 10, 11


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGCONT])
def test_only_what_somebody_sends_to_the_parent_alone_is_relayed(signum: int) -> None:
    assert decide(Received(signum, True, 0), LAUNCHER) is Action.NOTHING
    assert decide(Received(signum, False, LAUNCHER), LAUNCHER) is Action.NOTHING
    assert decide(Received(signum, False, SOMEBODY), LAUNCHER) is Action.RELAY


def test_who_is_stopped_with_the_rank_stops_and_who_is_stopped_alone_stops_it_too() -> None:
    assert decide(Received(signal.SIGTSTP, True, 0), LAUNCHER) is Action.STOP
    assert decide(Received(signal.SIGTSTP, False, LAUNCHER), LAUNCHER) is Action.STOP
    assert decide(Received(signal.SIGTSTP, False, SOMEBODY), LAUNCHER) is Action.RELAY_AND_STOP


def test_a_hang_up_that_only_the_session_leader_hears_is_relayed() -> None:
    assert decide(Received(signal.SIGHUP, True, 0, is_for_leader=True), LAUNCHER) is Action.RELAY
