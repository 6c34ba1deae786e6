"""What a collect shows of captured processes, and of those that appear, go or cannot be listed meanwhile."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hangprobe.judge.collects import blocked_through
from hangprobe.judge.knot import knot
from hangprobe.model import ProcessId, RankState, ThreadId
from hangprobe.observe.snapshot import collect
from hangprobe.observe.world import World

from .calls import Thread, in_wait4, on_futex, working
from .mutated import CHILD, PARENT, SHELL, SLEEP, TARGETS, TRUTH, captured, looked_at, proven, text_of
from .tree import ProcTree, with_stat_field


@pytest.fixture(scope="module")
def shared() -> Iterator[ProcTree]:
    """Return one captured tree for all examples: each one puts back what it changed."""
    with tempfile.TemporaryDirectory() as folder:
        yield captured(Path(folder) / "proc")


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
