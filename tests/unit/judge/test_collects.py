"""A thread counts only if both collects saw it in one and the same wait: whatever differs makes it live."""

from __future__ import annotations

import pytest

from hangprobe.judge.collects import blocked_through, is_same_wait, without_signals
from hangprobe.model import DoubleCollect, Mutex, ThreadView, Wait, WaitKind

from .builders import but, futex, process, process_id, snapshot, stuck_child, thread, tid, twice, waiting_main

BEFORE = thread(tid(20), futex(tid(20, 21)))
WAIT = futex(tid(20, 21))
DIFFERENCES: dict[str, dict[str, object]] = {
    "run count": {"run_count": 8},
    "call": {"call": "202 0x6000 0x189 0x0 0x0 0x0 0xffffffff 0x7ff0 0x7ff8"},
    "start time": {"start_time": 5},
    "state": {"state": "D"},
    "wait": {"wait": None},
    "kind of wait": {"wait": but(WAIT, kind=WaitKind.CHILD)},
    "object": {"wait": but(WAIT, object="0x6000")},
    "mutex": {"wait": but(WAIT, mutex=Mutex("recursive", 21))},
    "reason to be live": {"live": "has an io_uring"},
    "identity": {"id": tid(20, 22)},
    "process": {"id": but(tid(20), process=process_id(20, "node02"))},
}


def standing(first: ThreadView, second: ThreadView) -> int:
    """Return how many threads were blocked through two collects of one thread."""
    return len(blocked_through(DoubleCollect(twice(process(first)).first, twice(process(second)).second)))


def test_a_thread_that_looks_the_same_twice_was_blocked_throughout() -> None:
    assert standing(BEFORE, BEFORE) == 1


@pytest.mark.parametrize("what", DIFFERENCES)
def test_a_thread_is_out_when_nothing_but_this_has_changed(what: str) -> None:
    assert standing(BEFORE, but(BEFORE, **DIFFERENCES[what])) == 0
    assert standing(but(BEFORE, **DIFFERENCES[what]), BEFORE) == 0


@pytest.mark.parametrize("field", ["run_count", "call", "start_time", "state"])
def test_what_could_be_read_in_neither_collect_does_not_agree(field: str) -> None:
    unread = but(BEFORE, **{field: None})
    assert not is_same_wait(unread, unread)


@pytest.mark.parametrize("state", ["R", "D", "T", "t", "Z", "X", "I"])
def test_a_thread_in_any_state_but_asleep_is_live(state: str) -> None:
    other = but(BEFORE, state=state)
    assert standing(other, other) == 0


def test_a_mutex_with_another_owner_is_another_wait() -> None:
    def owned(owner: int) -> Wait:
        return but(WAIT, mutex=Mutex("errorcheck", owner))

    assert standing(but(BEFORE, wait=owned(21)), but(BEFORE, wait=owned(22))) == 0
    assert standing(but(BEFORE, wait=owned(21)), but(BEFORE, wait=owned(21))) == 1


@pytest.mark.parametrize("field", ["is_timed", "is_runtime_helper", "last_ran_s"])
def test_what_carries_no_proof_may_differ(field: str) -> None:
    assert standing(BEFORE, but(BEFORE, **{field: 1.0 if field == "last_ran_s" else True})) == 1


def test_edges_of_both_collects_are_united() -> None:
    first, second = thread(tid(20), futex(tid(30))), thread(tid(20), futex(tid(40)))
    double = DoubleCollect(twice(process(first)).first, twice(process(second)).second)
    assert blocked_through(double) == {tid(20): {tid(30), tid(40)}}


def test_a_thread_that_only_one_collect_saw_is_live() -> None:
    double = twice(process(BEFORE))
    empty = snapshot()
    assert blocked_through(but(double, first=but(empty, began_s=1.0, ended_s=2.0))) == {}
    assert blocked_through(but(double, second=but(empty, began_s=3.0, ended_s=4.0))) == {}


def test_a_process_with_the_pid_of_another_is_not_the_same() -> None:
    reborn = but(BEFORE, id=but(tid(20), process=but(process_id(20), start_time=9)))
    assert standing(BEFORE, reborn) == 0


def test_collects_of_two_hosts_share_no_instant() -> None:
    double = twice(process(BEFORE))
    assert blocked_through(but(double, second=but(double.second, host="node02"))) == {}


def test_the_first_collect_must_have_ended_before_the_second_began() -> None:
    double = twice(process(BEFORE))
    assert blocked_through(but(double, first=but(double.first, ended_s=3.5))) == {}


def test_a_process_that_catches_signals_in_either_collect_is_taken_for_live() -> None:
    plain, catching = process(BEFORE), process(BEFORE, signals="catches TERM")
    for first, second in ((plain, catching), (catching, plain), (catching, catching)):
        double = DoubleCollect(twice(first).first, twice(second).second)
        assert without_signals(blocked_through(double), double) == {}
    double = twice(plain)
    assert without_signals(blocked_through(double), double).keys() == {tid(20)}


def test_only_the_process_that_catches_signals_is_taken_for_live() -> None:
    double = twice(waiting_main(), stuck_child(signals="catches TERM"))
    assert without_signals(blocked_through(double), double).keys() == {tid(10)}
