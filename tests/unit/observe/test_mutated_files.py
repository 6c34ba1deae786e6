"""A mutated file never yields a proof: on a tree of captured processes, whatever one file shows instead of the truth,
the knot is the same or smaller."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .mutated import CHILD, PARENT, SHELL, SLEEP, TRUTH, WHEN, Content, When, captured, changed, knot_with, text_of
from .tree import ProcTree, with_stat_field, with_status_line

TASK_FILES = ("stat", "status", "syscall", "schedstat", "sched", "wchan", "maps", "auxv", "children")
PROCESS_FILES = ("stat", "status", "timers", "environ", "cmdline")
FILES = [
    *(f"{pid}/{name}" for pid in (PARENT, CHILD, SHELL, SLEEP) for name in PROCESS_FILES),
    *(f"{pid}/task/{pid}/{name}" for pid in (PARENT, CHILD, SHELL, SLEEP) for name in TASK_FILES),
]
EXAMPLES = min(1000, 2 * settings().max_examples)


@pytest.fixture(scope="module")
def shared() -> Iterator[ProcTree]:
    """Return one captured tree for all examples: each one puts back what it changed."""
    with tempfile.TemporaryDirectory() as folder:
        yield captured(Path(folder) / "proc")


# any file, any field, any time


def fields_of(path: str, text: str) -> list[tuple[int, int]]:
    """Return where the fields of a file begin and end."""
    found, at = [], 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        found.append((start, at))
    return found or [(0, len(text))]


WORDS = [
    *("", "x", "0", "1", "-1", "2", "7", "64", "61", "202", "230", "S", "R", "Z", "T", "0x0", "0x189", "0x80"),
    *("futex_do_wait", "do_wait", "get_signal", "hrtimer_nanosleep", "ffffffffffffffff", "18446744073709551615"),
    *(str(pid) for pid in (PARENT, CHILD, SHELL, SLEEP)),
    *("9" * 30, "f" * 5000, "\ufffd", "a b", "\n"),
]


@settings(max_examples=EXAMPLES)
@given(st.sampled_from(FILES), st.integers(0, 400), st.sampled_from(WORDS), st.sampled_from(WHEN))
def test_no_field_of_no_file_makes_the_knot_larger(
    shared: ProcTree, path: str, index: int, word: str, when: When
) -> None:
    text = (shared.root / path).read_bytes().decode(errors="replace")
    places = fields_of(path, text)
    start, end = places[index % len(places)]
    assert knot_with(shared, path, (text[:start] + word + text[end:]).encode(), when) <= TRUTH


@settings(max_examples=EXAMPLES)
@given(st.sampled_from(FILES), st.binary(max_size=200), st.sampled_from(WHEN))
def test_no_garbage_in_a_file_makes_the_knot_larger(shared: ProcTree, path: str, data: bytes, when: When) -> None:
    assert knot_with(shared, path, data, when) <= TRUTH


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("how", [None, b"", "folder"], ids=["missing", "empty", "unreadable"])
@pytest.mark.parametrize("path", FILES)
def test_no_file_that_cannot_be_read_makes_the_knot_larger(
    shared: ProcTree, path: str, how: Content | Literal["folder"], when: When
) -> None:
    assert knot_with(shared, path, how, when) <= TRUTH


# what a proof rests on

NEEDED = {
    "stat": "its state",
    "syscall": "what it waits for",
    "wchan": "where it sleeps",
    "auxv": "its word size",
}


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("how", [None, b"", b"\xff\xfe", "folder"], ids=["missing", "empty", "garbage", "unreadable"])
@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("pid", [PARENT, CHILD])
def test_a_thread_of_which_a_needed_file_cannot_be_read_is_live(
    shared: ProcTree, pid: int, name: str, how: Content | Literal["folder"], when: When
) -> None:
    assert pid not in knot_with(shared, f"{pid}/task/{pid}/{name}", how, when)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("state", ["R", "D", "T", "t", "Z", "X", "I", "?", "SS"])
@pytest.mark.parametrize("pid", [PARENT, CHILD])
def test_a_thread_in_another_state_is_live(shared: ProcTree, pid: int, state: str, when: When) -> None:
    path = f"{pid}/task/{pid}/stat"
    assert pid not in knot_with(shared, path, with_stat_field(text_of(shared, path), 3, state).encode(), when)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("parent", ["1", "x", "-1", str(SHELL)])
def test_a_parent_whose_child_is_not_its_own_is_live(shared: ProcTree, parent: str, when: When) -> None:
    path = f"{CHILD}/stat"
    content = with_stat_field(text_of(shared, path), 4, parent).encode()
    assert PARENT not in knot_with(shared, path, content, when)


@pytest.mark.parametrize("when", WHEN[1:])
@pytest.mark.parametrize("start", ["x", "5", "-1"])
@pytest.mark.parametrize("path", [f"{CHILD}/stat", f"{CHILD}/task/{CHILD}/stat"])
def test_a_start_time_that_changes_makes_another_thread(shared: ProcTree, path: str, start: str, when: When) -> None:
    content = with_stat_field(text_of(shared, path), 22, start).encode()
    assert knot_with(shared, path, content, when) == set()


@pytest.mark.parametrize("path", [f"{CHILD}/stat", f"{CHILD}/task/{CHILD}/stat"])
def test_a_start_time_that_does_not_read_makes_the_thread_live(shared: ProcTree, path: str) -> None:
    content = with_stat_field(text_of(shared, path), 22, "x").encode()
    assert knot_with(shared, path, content, "in both") == set()


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("index", range(9))
def test_a_word_of_the_call_that_does_not_read_makes_the_thread_live(shared: ProcTree, index: int, when: When) -> None:
    path = f"{CHILD}/task/{CHILD}/syscall"
    words = text_of(shared, path).split()
    words[index] = "x"
    assert knot_with(shared, path, " ".join(words).encode(), when) == set()


@pytest.mark.parametrize("when", WHEN[1:])
@pytest.mark.parametrize("index", range(9))
def test_any_word_of_the_call_that_changes_makes_the_thread_live(shared: ProcTree, index: int, when: When) -> None:
    path = f"{CHILD}/task/{CHILD}/syscall"
    words = text_of(shared, path).split()
    words[index] = "0x7" if index else "61"
    assert knot_with(shared, path, " ".join(words).encode(), when) == set()


@pytest.mark.parametrize("when", WHEN)
def test_a_time_out_makes_the_thread_live(shared: ProcTree, when: When) -> None:
    path = f"{CHILD}/task/{CHILD}/syscall"
    words = text_of(shared, path).split()
    words[4] = "0x7ffe1000"
    assert knot_with(shared, path, " ".join(words).encode(), when) == set()


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("wchan", ["get_signal", "0", "", "do_freezer_trap", "pipe_read"])
@pytest.mark.parametrize("pid", [PARENT, CHILD])
def test_a_place_of_sleep_that_does_not_fit_makes_the_thread_live(
    shared: ProcTree, pid: int, wchan: str, when: When
) -> None:
    assert pid not in knot_with(shared, f"{pid}/task/{pid}/wchan", wchan.encode(), when)


@pytest.mark.parametrize("when", WHEN[1:])
@pytest.mark.parametrize("pid", [PARENT, CHILD])
def test_a_thread_that_ran_between_the_collects_is_live(shared: ProcTree, pid: int, when: When) -> None:
    assert pid not in knot_with(shared, f"{pid}/task/{pid}/schedstat", b"831801 0 99\n", when)


def test_where_runs_are_not_counted_voluntary_switches_are(shared: ProcTree) -> None:
    assert knot_with(shared, f"{CHILD}/task/{CHILD}/schedstat", b"0 0 0\n", "in both") == TRUTH


@pytest.mark.parametrize("content", [b"0 0 0\n", b"", b"x", None, "folder"])
def test_without_any_count_of_runs_a_thread_is_live(shared: ProcTree, content: Content | Literal["folder"]) -> None:
    with changed(shared, f"{CHILD}/task/{CHILD}/status", b""):
        assert knot_with(shared, f"{CHILD}/task/{CHILD}/schedstat", content, "in both") == set()


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("tracer", ["1", "x", ""])
@pytest.mark.parametrize("pid", [PARENT, CHILD])
def test_a_process_that_is_traced_or_may_be_is_live(shared: ProcTree, pid: int, tracer: str, when: When) -> None:
    path = f"{pid}/status"
    content = with_status_line(text_of(shared, path), "TracerPid", tracer).encode()
    assert pid not in knot_with(shared, path, content, when)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("mask", ["0000000000004000", "x", ""])
@pytest.mark.parametrize("pid", [PARENT, CHILD])
def test_a_process_that_catches_signals_or_may_is_not_proven(shared: ProcTree, pid: int, mask: str, when: When) -> None:
    path = f"{pid}/status"
    content = with_status_line(text_of(shared, path), "SigCgt", mask).encode()
    assert pid not in knot_with(shared, path, content, when)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("levels", [f"{PARENT}\t1", "x", ""])
def test_a_parent_whose_pid_namespace_is_another_or_unknown_is_live(shared: ProcTree, levels: str, when: When) -> None:
    path = f"{PARENT}/status"
    content = with_status_line(text_of(shared, path), "NSpid", levels).encode()
    assert PARENT not in knot_with(shared, path, content, when)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("pid", [PARENT, CHILD])
def test_a_posix_timer_that_is_set_is_not_proven(shared: ProcTree, pid: int, when: When) -> None:
    timers = b"ID: 0\nsignal: 14/0000000000000000\nnotify: signal/pid.1\nClockID: 0\n"
    assert pid not in knot_with(shared, f"{pid}/timers", timers, when)


def test_a_process_whose_timers_cannot_be_read_is_not_proven(shared: ProcTree) -> None:
    assert CHILD not in knot_with(shared, f"{CHILD}/timers", "folder", "in both")


def test_when_a_thread_last_ran_is_no_part_of_the_proof(shared: ProcTree) -> None:
    assert knot_with(shared, f"{CHILD}/task/{CHILD}/sched", None, "in both") == TRUTH
