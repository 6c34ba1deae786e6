"""Each processor's clock is compared on that processor, no more often than needed, and the thread comes home."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.observe.clocks import KEPT_S, Clocks

HOME = {0, 1, 2}
OFFSETS_S = {0: 10.0, 1: 10.3, 2: 9.5}
"""How far each processor's clock is behind the monotonic one: they lose different shares to a hypervisor."""


class Machine:
    """Three processors, each with a clock of its own; a thread runs on one of them."""

    def __init__(self, forbidden: Iterable[int] = (), silent: Iterable[int] = ()) -> None:
        self.now_s = 1000.0
        self.at: set[int] = set(HOME)
        self.visits: list[int] = []
        self.forbidden, self.silent = set(forbidden), set(silent)
        self.breaks_on: int | None = None
        self.clocks = Clocks(self.last_ran, lambda: self.now_s, self.move, lambda pid: set(self.at))

    def move(self, pid: int, processors: Iterable[int]) -> None:
        wanted = set(processors)
        if wanted <= self.forbidden:
            raise OSError(22, "Invalid argument")
        self.at = wanted
        if len(wanted) == 1:
            self.visits += wanted

    def last_ran(self) -> float | None:
        (processor,) = self.at
        if processor == self.breaks_on:
            raise RuntimeError("out of file descriptors, say")
        return None if processor in self.silent else self.now_s - OFFSETS_S[processor]


@given(st.sampled_from(sorted(HOME)), st.floats(0.0, 900.0))
def test_a_time_is_told_by_the_clock_of_the_processor_that_it_is_from(processor: int, age_s: float) -> None:
    machine = Machine()
    machine.clocks.compare(HOME)
    ran_s = machine.now_s - OFFSETS_S[processor] - age_s
    assert machine.clocks.in_monotonic(ran_s, processor) == pytest.approx(machine.now_s - age_s)


def test_a_processor_that_has_not_been_compared_tells_nothing() -> None:
    machine = Machine()
    machine.clocks.compare([0])
    assert machine.clocks.in_monotonic(5.0, 1) is None
    assert machine.clocks.in_monotonic(5.0, None) is None
    assert Clocks().in_monotonic(5.0, 0) is None


def test_a_processor_that_may_not_be_used_tells_nothing_and_the_others_do() -> None:
    machine = Machine(forbidden=[1])
    machine.clocks.compare(HOME)
    told = [machine.clocks.in_monotonic(900.0, processor) is not None for processor in sorted(HOME)]
    assert told == [True, False, True]


def test_a_kernel_that_does_not_show_when_a_thread_ran_tells_nothing() -> None:
    machine = Machine(silent=HOME)
    machine.clocks.compare(HOME)
    assert [machine.clocks.in_monotonic(900.0, processor) for processor in HOME] == [None, None, None]


def test_each_processor_is_visited_once_however_often_it_is_named() -> None:
    machine = Machine()
    machine.clocks.compare([2, 0, 2, 0])
    assert machine.visits == [0, 2]


def test_a_comparison_is_kept_for_a_while_and_then_made_anew() -> None:
    machine = Machine()
    machine.clocks.compare([0])
    machine.now_s += KEPT_S
    machine.clocks.compare([0])
    assert machine.visits == [0]
    machine.now_s += 0.1
    machine.clocks.compare([0])
    assert machine.visits == [0, 0]


def test_a_clock_that_has_lost_more_time_since_is_followed() -> None:
    machine = Machine()
    machine.clocks.compare([0])
    machine.now_s += KEPT_S + 1.0
    machine.last_ran = lambda: machine.now_s - 12.0  # type: ignore[method-assign]
    machine.clocks.last_ran = machine.last_ran
    machine.clocks.compare([0])
    assert machine.clocks.in_monotonic(0.0, 0) == pytest.approx(12.0)


def test_a_processor_that_may_not_be_used_is_not_tried_again_and_again() -> None:
    machine = Machine(forbidden=[1])
    attempts = []
    move = machine.move

    def counted(pid: int, processors: Iterable[int]) -> None:
        wanted = set(processors)
        attempts.append(wanted)
        move(pid, wanted)

    machine.clocks.move = counted
    machine.clocks.compare([1])
    machine.clocks.compare([1])
    assert attempts.count({1}) == 1


@given(st.sets(st.sampled_from(sorted(HOME))), st.sets(st.sampled_from(sorted(HOME))))
def test_the_thread_ends_where_it_was_allowed_before(wanted: set[int], forbidden: set[int]) -> None:
    machine = Machine(forbidden=forbidden - {0})
    machine.clocks.compare(wanted)
    assert machine.at == HOME


def test_the_thread_comes_home_even_if_reading_a_clock_fails() -> None:
    machine = Machine()
    machine.breaks_on = 1
    with pytest.raises(RuntimeError):
        machine.clocks.compare(HOME)
    assert machine.at == HOME


def test_nothing_to_compare_moves_nobody() -> None:
    machine = Machine()
    machine.clocks.compare([])
    assert machine.visits == []


def test_the_real_thread_keeps_its_affinity_and_its_own_last_run_is_past() -> None:
    before = os.sched_getaffinity(0)
    clocks = Clocks()
    clocks.compare([min(before), 1023])
    assert os.sched_getaffinity(0) == before
    ran_s = clocks.last_ran()
    if ran_s is not None:  # a kernel without CONFIG_SCHED_DEBUG has no such file
        assert clocks.in_monotonic(ran_s, min(before)) is not None
    assert clocks.in_monotonic(1.0, 1023) is None
