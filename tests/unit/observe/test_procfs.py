"""Parsers never raise: a field that does not read is named and becomes None, and the others keep their values."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.model import Unreadable
from hangprobe.observe.procfs import (
    Stat,
    Status,
    parse_call,
    parse_environ,
    parse_last_ran,
    parse_maps,
    parse_numbers,
    parse_run_count,
    parse_stat,
    parse_status,
)

from .tree import capture, with_stat_field, with_status_line

CHILD, PARENT, SHELL = capture("child-on-python-lock"), capture("parent-in-wait4"), capture("shell-in-wait4")
CASES = ["child-on-python-lock", "parent-in-wait4", "shell-in-wait4", "sleep"]
STAT, STATUS, MAPS = CHILD["stat"].decode(), CHILD["status"].decode(), CHILD["maps"].decode()
CALL = CHILD["syscall"].decode()

garbage = st.sampled_from(
    ["", "x", "-", "--1", "0x", "1.5", "1_0", "+1", "٣", "²", "1e9", "9" * 30 + "x", "\ufffd", "nan"]
)
"""What no number of the kernel looks like; without spaces, which would shift the fields behind it."""


def whats(problems: tuple[Unreadable, ...]) -> set[str]:
    return {problem.what for problem in problems}


# stat


def test_the_stat_of_a_forked_child() -> None:
    stat = parse_stat(STAT)
    assert (stat.comm, stat.state, stat.is_forked, stat.tty, stat.problems) == ("python", "S", True, 0, ())
    assert (stat.parent, stat.group, stat.session, stat.start_time) == (12839, 12833, 2082, 374692)


def test_a_process_that_execd_is_not_forked() -> None:
    assert parse_stat(PARENT["stat"].decode()).is_forked is False


def test_whether_a_process_is_forked_is_not_known_without_its_flags() -> None:
    assert parse_stat(with_stat_field(STAT, 9, "x")).is_forked is None


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=15))
def test_a_name_may_hold_anything(name: str) -> None:
    assert parse_stat(STAT.replace("(python)", f"({name})")) == _renamed(parse_stat(STAT), name)


@pytest.mark.parametrize("name", ["a b", "a) S 1 (b", ") R 1 1", "(", ")", "((", "a\nb", "\n", "", "x (y) z"])
def test_a_name_may_hold_spaces_parentheses_and_newlines(name: str) -> None:
    assert parse_stat(STAT.replace("(python)", f"({name})")) == _renamed(parse_stat(STAT), name)


def _renamed(stat: Stat, name: str) -> Stat:
    return replace(stat, comm=name)


STAT_FIELDS = {
    3: ("state", "stat state"),
    4: ("parent", "stat ppid"),
    5: ("group", "stat pgrp"),
    6: ("session", "stat session"),
    7: ("tty", "stat tty_nr"),
    9: ("flags", "stat flags"),
    20: ("thread_count", "stat num_threads"),
    22: ("start_time", "stat starttime"),
    23: ("size", "stat vsize"),
    28: ("stack_start", "stat startstack"),
    39: ("processor", "stat processor"),
}


@given(st.sampled_from(sorted(STAT_FIELDS)), garbage.filter(lambda word: word not in {"", "x"}))
def test_a_field_of_stat_that_does_not_read_is_named_and_the_others_keep_their_values(number: int, word: str) -> None:
    attribute, what = STAT_FIELDS[number]
    good, found = parse_stat(STAT), parse_stat(with_stat_field(STAT, number, word))
    if number == 3 and word == "²":
        return  # one character, and none of the kernel's: read as a state that is not S
    assert whats(found.problems) == {what}
    assert getattr(found, attribute) is None
    assert _others(good, attribute) == _others(found, attribute)


@given(st.integers(3, 52).filter(lambda number: number not in STAT_FIELDS), garbage.filter(bool))
def test_a_field_of_stat_that_nobody_asks_for_may_be_anything(number: int, word: str) -> None:
    assert parse_stat(with_stat_field(STAT, number, word)) == parse_stat(STAT)


@given(st.integers(0, len(STAT)))
def test_a_truncated_stat_has_no_wrong_values(length: int) -> None:
    good, found = parse_stat(STAT), parse_stat(STAT[:length])
    words = STAT[:length].split()
    for attribute in ("comm", *(name for name, _ in STAT_FIELDS.values())):
        value = getattr(found, attribute)
        is_cut = value is not None and str(value) == words[-1]
        assert value is None or value == getattr(good, attribute) or is_cut
    assert bool(found.problems) == any(getattr(found, name) is None for name, _ in STAT_FIELDS.values())


def _others(value: Stat | Status, left_out: str) -> dict[str, object]:
    return {each.name: getattr(value, each.name) for each in fields(value) if each.name not in {left_out, "problems"}}


# status


def test_the_status_of_a_python_process() -> None:
    status = parse_status(STATUS)
    assert (status.caught, status.blocked, status.ignored) == (frozenset({2}), frozenset(), frozenset({13, 25}))
    assert (status.tracer, status.pids, status.voluntary_switches) == (0, (12842,), 1)
    assert status.problems == ()


def test_the_signals_that_a_shell_catches() -> None:
    assert parse_status(SHELL["status"].decode()).caught == frozenset({2, 17})


def test_signal_sixty_four_is_the_highest_bit() -> None:
    assert parse_status(with_status_line(STATUS, "SigCgt", "8000000000000001")).caught == frozenset({1, 64})


def test_a_process_has_a_pid_in_each_namespace_from_the_outermost_to_its_own() -> None:
    assert parse_status(with_status_line(STATUS, "NSpid", "12842\t17\t1")).pids == (12842, 17, 1)


STATUS_LINES = {
    "SigCgt": "caught",
    "SigBlk": "blocked",
    "SigIgn": "ignored",
    "TracerPid": "tracer",
    "NSpid": "pids",
    "voluntary_ctxt_switches": "voluntary_switches",
}


@given(st.sampled_from(sorted(STATUS_LINES)), garbage)
def test_a_line_of_status_that_does_not_read_is_named_and_the_others_keep_their_values(name: str, word: str) -> None:
    if word == "1e9" and name.startswith("Sig"):
        return  # hexadecimal, of any length
    found = parse_status(with_status_line(STATUS, name, word))
    assert whats(found.problems) == {f"status {name}"}
    assert getattr(found, STATUS_LINES[name]) is None
    assert _others(found, STATUS_LINES[name]) == _others(parse_status(STATUS), STATUS_LINES[name])


@pytest.mark.parametrize("name", STATUS_LINES)
def test_a_line_of_status_that_is_missing_is_named(name: str) -> None:
    text = "".join(line for line in STATUS.splitlines(keepends=True) if not line.startswith(f"{name}:"))
    found = parse_status(text)
    assert whats(found.problems) == {f"status {name}"}
    assert getattr(found, STATUS_LINES[name]) is None


@pytest.mark.parametrize("name", ["SigCgt:\t0", "\x0cSigCgt:\t0", "\x0bNSpid:\t1 1", "\x85TracerPid:\t7"])
def test_a_name_that_looks_like_lines_of_status_changes_nothing(name: str) -> None:
    assert parse_status(with_status_line(STATUS, "Name", name)) == parse_status(STATUS)


# schedstat, sched


@pytest.mark.parametrize(("case", "count"), [("child-on-python-lock", 1), ("parent-in-wait4", 4), ("sleep", 3)])
def test_the_run_count_is_the_third_number_of_schedstat(case: str, count: int) -> None:
    assert parse_run_count(capture(case)["schedstat"].decode()) == count


def test_a_run_count_of_zero_says_that_the_kernel_does_not_count() -> None:
    assert parse_run_count("0 0 0\n") == Unreadable("schedstat run count", "this kernel does not count runs")


@pytest.mark.parametrize("text", ["", "1", "1 2", "1 2 x", "1 2 -3", "\0", "1 2 1.5"])
def test_a_schedstat_that_does_not_read_says_so(text: str) -> None:
    found = parse_run_count(text)
    assert isinstance(found, Unreadable)
    assert found.what == "schedstat run count"


def test_when_a_thread_last_ran_is_in_seconds() -> None:
    assert parse_last_ran(CHILD["sched"].decode()) == pytest.approx(3746.553165960)


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "-1", "0", "1e300"])
def test_a_time_that_no_clock_shows_is_unreadable(value: str) -> None:
    assert parse_last_ran(f"python (1, #threads: 1)\nse.exec_start : {value}\n") == Unreadable(
        "sched se.exec_start", "no such number"
    )


def test_a_process_that_calls_itself_like_a_line_of_sched_is_at_worst_unreadable() -> None:
    text = CHILD["sched"].decode().replace("python", "\nse.exec_start")
    assert isinstance(parse_last_ran(text), Unreadable)


# syscall


def test_the_call_of_a_thread_on_a_lock() -> None:
    assert parse_call(CALL) == (
        *(202, 0x557A1725FEC0, 0x189, 0, 0, 0, 0xFFFFFFFF),
        *(0x7FFEBF0BDCA0, 0x7F3DA60A3E96),
    )


@pytest.mark.parametrize("text", ["running", "running\n", "-1 0x7ffe 0x7f3d\n", "", "0", "202 " + "0x0 " * 9])
def test_what_shows_no_call_is_unreadable(text: str) -> None:
    assert isinstance(parse_call(text), Unreadable)


@given(st.integers(0, 8), garbage.filter(bool))
def test_a_word_of_a_call_that_does_not_read_is_named(index: int, word: str) -> None:
    words = CALL.split()
    words[index] = word
    found = parse_call(" ".join(words))
    assert isinstance(found, Unreadable)
    assert found.what == (f"syscall word {index}" if index else "syscall number")


@given(st.integers(0, 8))
def test_a_call_with_a_word_missing_is_unreadable(index: int) -> None:
    words = CALL.split()
    assert isinstance(parse_call(" ".join(words[:index] + words[index + 1 :])), Unreadable)


# maps


@pytest.mark.parametrize("case", CASES)
def test_every_line_of_a_memory_map_reads(case: str) -> None:
    text = capture(case)["maps"].decode()
    mappings, problems = parse_maps(text)
    assert problems == []
    assert len(mappings) == len(text.splitlines())
    assert [m.path for m in mappings if m.path.startswith("[")][-3:] == ["[stack]", "[vvar]", "[vdso]"] or mappings


def test_a_path_may_hold_spaces() -> None:
    line = "00010000-00020000 rw-s 00000000 00:01 77                         /dev/shm/sem.a b (deleted)"
    (mapping,), _ = parse_maps(line)
    assert (mapping.path, mapping.is_shared, mapping.inode) == ("/dev/shm/sem.a b (deleted)", True, 77)


@given(st.integers(0, len(MAPS.splitlines()) - 1), st.integers(0, 4), garbage.filter(bool))
def test_a_line_of_a_map_that_does_not_read_is_named_and_the_others_are_kept(line: int, word: int, text: str) -> None:
    lines = MAPS.splitlines()
    words = lines[line].split(None, 5)
    words[word] = text
    mappings, problems = parse_maps("\n".join([*lines[:line], " ".join(words), *lines[line + 1 :]]))
    if word in {0, 1, 4}:
        assert whats(tuple(problems)) == {f"maps line {line + 1}"}
        assert len(mappings) == len(lines) - 1
    else:
        assert len(mappings) == len(lines)


# environ, children


def test_the_environment_as_it_was_at_exec() -> None:
    assert parse_environ(CHILD["environ"]) == {"LANG": "C", "PMI_RANK": "1", "PMI_SIZE": "4", "MPI_LOCALRANKID": "1"}


def test_assignments_that_are_none_are_passed_over() -> None:
    assert parse_environ(b"A=1\0junk\0\0B=x=y\0\xff=\xfe\0") == {"A": "1", "B": "x=y", "\ufffd": "\ufffd"}


def test_the_children_of_a_process() -> None:
    assert parse_numbers(PARENT["children"].decode(), "children") == ([12842], [])


def test_a_number_that_does_not_read_is_named_and_the_others_are_kept() -> None:
    assert parse_numbers("1 x 3", "children") == ([1, 3], [Unreadable("children", "'x' is not a number")])
