"""A mutated file never yields a proof: on a tree of captured processes, whatever one file shows instead of the truth,
the knot is the same or smaller."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hangprobe.judge.collects import blocked_through, without_signals
from hangprobe.judge.knot import knot
from hangprobe.model import DoubleCollect, ProcessId, RankState, ThreadId
from hangprobe.observe.snapshot import collect, double_collect
from hangprobe.observe.world import World

from .calls import Thread, in_wait4, on_futex, working
from .tree import ProcTree, with_stat_field, with_status_line

PARENT, CHILD, SHELL, SLEEP = 12839, 12842, 12840, 12841
TRUTH = {PARENT, CHILD}
TARGETS = tuple(ProcessId("node01", pid, start) for pid, start in ((PARENT, 374691), (SHELL, 374691)))
TASK_FILES = ("stat", "status", "syscall", "schedstat", "sched", "wchan", "maps", "auxv", "children")
PROCESS_FILES = ("stat", "status", "timers", "environ", "cmdline")
FILES = [
    *(f"{pid}/{name}" for pid in (PARENT, CHILD, SHELL, SLEEP) for name in PROCESS_FILES),
    *(f"{pid}/task/{pid}/{name}" for pid in (PARENT, CHILD, SHELL, SLEEP) for name in TASK_FILES),
]
When = Literal["in both", "only in the first", "only in the second"]
WHEN: tuple[When, ...] = ("in both", "only in the first", "only in the second")
EXAMPLES = min(1000, 2 * settings().max_examples)


def captured(root: Path) -> ProcTree:
    """Return the tree: a parent and its child in a knot, and beside them a shell that waits for a sleep."""
    tree = ProcTree(root)
    for case in ("parent-in-wait4", "child-on-python-lock", "shell-in-wait4", "sleep"):
        tree.put(case)
    return tree


@pytest.fixture(scope="module")
def shared() -> Iterator[ProcTree]:
    """Return one captured tree for all examples: each one puts back what it changed."""
    with tempfile.TemporaryDirectory() as folder:
        yield captured(Path(folder) / "proc")


def proven(double: DoubleCollect) -> set[int]:
    """Return the TIDs in the knot that signals do not end."""
    return {thread.tid for thread in knot(without_signals(blocked_through(double), double))}


def looked_at(tree: ProcTree, between: Callable[[], None] = lambda: None) -> DoubleCollect:
    """Return a double collect of the whole tree; `between` happens between the two."""
    ticks = iter(range(100))
    return double_collect(
        tree.world,
        TARGETS,
        gap_s=0.0,
        clock=lambda: float(next(ticks)),
        sleep=lambda _: between(),
    )


Content = bytes | None


@contextlib.contextmanager
def changed(tree: ProcTree, path: str, content: Content | Literal["folder"]) -> Iterator[None]:
    """Give a file another content for a while; None deletes it, `folder` makes it something that cannot be read."""
    file = tree.root / path
    truth = file.read_bytes()
    try:
        file.unlink()
        if content == "folder":
            file.mkdir()
        elif content is not None:
            file.write_bytes(content)
        yield
    finally:
        if file.is_dir():
            file.rmdir()
        file.write_bytes(truth)


def knot_with(tree: ProcTree, path: str, content: Content | Literal["folder"], when: When) -> set[int]:
    """Return the knot that a double collect finds while a file shows something else."""
    change = changed(tree, path, content)
    if when == "in both":
        with change:
            return proven(looked_at(tree))
    if when == "only in the second":
        with contextlib.ExitStack() as stack:
            return proven(looked_at(tree, lambda: stack.enter_context(change)))
    with contextlib.ExitStack() as stack:
        stack.enter_context(change)
        return proven(looked_at(tree, stack.close))


# the truth


def test_the_captured_tree_gives_exactly_the_knot_of_parent_and_child(shared: ProcTree) -> None:
    assert proven(looked_at(shared)) == TRUTH


def test_the_shell_that_waits_for_a_sleep_is_live_through_it(shared: ProcTree) -> None:
    second = looked_at(shared).second
    views = {thread.id.tid: thread for process in second.processes for thread in process.threads}
    wait = views[SHELL].wait
    assert wait is not None
    assert {waker.tid for waker in wait.wakers} == {SLEEP}
    assert (views[SLEEP].wait, views[SLEEP].is_timed) == (None, True)
    assert views[CHILD].last_ran_s == pytest.approx(3746.553166)


def test_a_collect_reads_its_clock_before_and_after(shared: ProcTree) -> None:
    double = looked_at(shared)
    assert (double.first.began_s, double.first.ended_s, double.second.began_s, double.second.ended_s) == (0, 1, 2, 3)
    assert double.first.unreadable == double.second.unreadable == ()
    assert double.second.clock_s == pytest.approx(3746.558412)


def test_descendants_are_collected_with_their_ancestor_and_strangers_are_not(shared: ProcTree) -> None:
    snapshot = collect(shared.world(), TARGETS[:1], is_second=False)
    assert [process.id.pid for process in snapshot.processes] == [PARENT, CHILD]


def test_a_target_that_is_another_process_by_now_is_left_out(shared: ProcTree) -> None:
    reborn = ProcessId("node01", PARENT, 1)
    assert collect(shared.world(), [reborn], is_second=False).processes == ()


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


def text_of(tree: ProcTree, path: str) -> str:
    return (tree.root / path).read_bytes().decode()


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


# what appears, goes or cannot be listed


def test_a_thread_that_appears_between_the_collects_wakes_the_others(tree: ProcTree) -> None:
    tree.add(PARENT, [in_wait4(CHILD)], start=374691)
    tree.add(CHILD, [on_futex()], parent=PARENT, is_forked=True)
    tree.add(SHELL, [working()], start=374691)

    def appear() -> None:
        shutil.copytree(tree.root / f"{CHILD}/task/{CHILD}", tree.root / f"{CHILD}/task/{CHILD + 9}")
        tree.thread(CHILD, CHILD + 9, working())

    assert proven(looked_at(tree)) == TRUTH
    assert proven(looked_at(tree, appear)) == set()


def test_a_process_that_goes_between_the_collects_is_live(tree: ProcTree) -> None:
    tree.add(PARENT, [in_wait4(CHILD)], start=374691)
    tree.add(CHILD, [on_futex()], parent=PARENT, is_forked=True)
    assert proven(looked_at(tree, lambda: tree.remove(CHILD))) == set()


def test_what_the_first_collect_saw_is_looked_at_again_when_it_has_another_parent(tree: ProcTree) -> None:
    tree.add(PARENT, [in_wait4(CHILD)], start=374691)
    tree.add(CHILD, [on_futex()], parent=PARENT, is_forked=True)

    def adopt() -> None:
        stat = with_stat_field(text_of(tree, f"{CHILD}/stat"), 4, 1)
        tree.write(f"{CHILD}/stat", stat)
        tree.remove(PARENT)

    assert proven(looked_at(tree, adopt)) == {CHILD}


def test_a_process_whose_threads_cannot_be_listed_is_kept_and_named(tree: ProcTree) -> None:
    tree.add(PARENT, [in_wait4(CHILD)], start=374691)
    tree.add(CHILD, [on_futex()], parent=PARENT, is_forked=True)
    shutil.rmtree(tree.root / f"{CHILD}/task")
    tree.write(f"{CHILD}/task", "no folder")
    double = looked_at(tree)
    assert proven(double) == set()
    assert [(process.id.pid, len(process.threads)) for process in double.second.processes] == [(PARENT, 1), (CHILD, 0)]
    assert f"{CHILD}/task" in {each.what for each in double.second.unreadable}


@pytest.mark.parametrize("pid", [CHILD, SLEEP])
def test_an_empty_list_of_threads_makes_no_knot(tmp_path: Path, pid: int) -> None:
    tree = captured(tmp_path / "proc")
    shutil.rmtree(tree.root / f"{pid}/task/{pid}")
    found = {thread.tid for thread in knot(blocked_through(looked_at(tree)))}
    assert found == (set() if pid == CHILD else TRUTH)


def test_where_the_list_of_processes_does_not_settle_every_thread_is_live(tree: ProcTree) -> None:
    tree.add(PARENT, [on_futex()], start=374691)
    (tree.root / "77").mkdir()  # listed, and never readable: there may be more behind it
    double = looked_at(tree)
    assert proven(double) == set()
    assert {each.what for each in double.first.unreadable} == {"the list of processes"}


def test_more_than_the_processes_asked_about_is_never_in_a_collect(tree: ProcTree) -> None:
    tree.add(PARENT, [on_futex()], start=374691)
    tree.add(77, [Thread(), on_futex()])
    assert {process.id.pid for process in looked_at(tree).second.processes} == {PARENT}


def test_a_world_answers_for_this_machine_unless_told_otherwise(tree: ProcTree) -> None:
    assert World(tree.reader(), "node01").arch
    assert ThreadId(ProcessId("node01", 1, 1), 1).is_main
    assert RankState.PROVEN.value == "proven"
