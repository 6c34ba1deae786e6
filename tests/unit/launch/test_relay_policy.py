"""What hangprobe does about a signal depends on who sent it and on what came before."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.launch.relay import RELAYED, Action, Received, Relay, decide, parse_siginfo


def from_terminal(number: int) -> Received:
    return Received(number, from_kernel=True, pid=0)


def from_somebody(number: int) -> Received:
    return Received(number, from_kernel=False, pid=4711)


@pytest.mark.parametrize("number", sorted(RELAYED - {signal.SIGTSTP, signal.SIGCONT}))
def test_terminal_signals_are_not_sent_twice(number: int) -> None:
    assert decide(from_terminal(number), None, 0.0) is Action.NOTHING


@pytest.mark.parametrize("number", sorted(RELAYED - {signal.SIGTSTP}))
def test_what_somebody_sends_to_hangprobe_is_relayed(number: int) -> None:
    assert decide(from_somebody(number), None, 0.0) is Action.RELAY


def test_stop_and_continue() -> None:
    assert decide(from_terminal(signal.SIGTSTP), None, 0.0) is Action.STOP
    assert decide(from_somebody(signal.SIGTSTP), None, 0.0) is Action.RELAY_AND_STOP
    assert decide(from_terminal(signal.SIGCONT), None, 0.0) is Action.RELAY


def test_hang_up_of_which_only_the_session_leader_is_told_is_relayed() -> None:
    assert decide(Received(signal.SIGHUP, True, 0, is_for_leader=True), None, 0.0) is Action.RELAY


@pytest.mark.parametrize("is_captured", [False, True])
def test_second_interrupt_ends_at_once_within_two_seconds_only(is_captured: bool) -> None:
    for received in (from_terminal(signal.SIGINT), from_somebody(signal.SIGINT)):
        assert decide(received, 10.0, 11.9, is_captured) is Action.END_NOW
        assert decide(received, 10.0, 12.1, is_captured) is not Action.END_NOW
    assert decide(from_terminal(signal.SIGQUIT), 10.0, 10.1, is_captured) is not Action.END_NOW


@given(st.sampled_from(sorted(RELAYED)), st.booleans())
def test_captured_job_is_ended_or_left_alone_but_never_relayed_to(number: int, from_kernel: bool) -> None:
    action = decide(Received(number, from_kernel, 1), None, 0.0, is_captured=True)
    ends = number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    assert (action is Action.END) == ends
    assert action not in (Action.RELAY, Action.RELAY_AND_STOP, Action.END_NOW)


@given(st.lists(st.tuples(st.sampled_from(sorted(RELAYED)), st.booleans(), st.integers(0, 2**32 - 1)), max_size=5))
def test_every_whole_siginfo_is_read(sent: list[tuple[int, bool, int]]) -> None:
    data = b"".join(
        struct.pack("=IiiI", number, 0, 0x80 if kernel else 0, pid).ljust(128, b"\xff") for number, kernel, pid in sent
    )
    assert parse_siginfo(data + b"\x02") == [Received(*fields) for fields in sent]


def test_only_a_kernel_hang_up_of_a_leader_is_for_the_leader() -> None:
    def told(number: int, code: int, is_leader: bool) -> bool:
        return parse_siginfo(struct.pack("=IiiI", number, 0, code, 0).ljust(128), is_leader)[0].is_for_leader

    assert told(signal.SIGHUP, 0x80, True)
    assert not told(signal.SIGHUP, 0x80, False)
    assert not told(signal.SIGHUP, 0, True)
    assert not told(signal.SIGINT, 0x80, True)


RELAYS = """
import os, signal
from hangprobe.launch.relay import Received, Relay
before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
with Relay() as relay:
    assert relay.original_mask == before
    assert relay.read() == []
    os.kill(os.getpid(), signal.SIGUSR1)
    assert relay.read() == [Received(signal.SIGUSR1, False, os.getpid())]
assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
print("received")
"""


def test_relay_receives_with_the_sender_and_restores_the_mask() -> None:
    """In a process of its own: any other thread of the test runner would take the signal, and end it all: signal(7)."""
    done = subprocess.run([sys.executable, "-c", RELAYS], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "received\n", "")


def test_signal_ignored_at_the_start_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Relay() as relay:
            os.kill(os.getpid(), signal.SIGHUP)
            assert relay.read() == []
    finally:
        signal.signal(signal.SIGHUP, before)
