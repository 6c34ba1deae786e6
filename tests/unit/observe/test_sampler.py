"""The steady state of a watch: what ran since the last look, what came and what went."""

from __future__ import annotations

import os

import pytest

from hangprobe.model import Launcher
from hangprobe.observe.sampler import Sampler

from .calls import Thread, in_wait4, on_futex, working
from .sampled import CHILD, RANK, ROOT, children, fork, narrow, ran, rank, run_counts, settled
from .tree import ProcTree, with_stat_field

# ranks and progress


def test_ranks_are_known_from_the_first_look(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex(), on_futex())
    sample = sampler.sample(0.0)
    ((view,),) = (sample.ranks,)
    assert (view.rank, view.launcher, view.top.pid) == (1, Launcher.HYDRA, RANK)
    assert (sample.process_count, sample.thread_count) == (1, 2)


def test_the_root_is_no_part_of_the_job(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree)
    assert set(run_counts(sampler.sample(0.0))) == {(RANK, RANK)}


def test_a_tree_of_which_no_thread_ran_is_quiet_since_the_last_one_did(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex())
    quiet = [sampler.sample(now_s).progress[1].quiet_s for now_s in (0.0, 1.0, 2.5)]
    assert quiet == [0.0, 1.0, 2.5]
    ran(tree, RANK, 8)
    assert [sampler.sample(now_s).progress[1].quiet_s for now_s in (3.0, 4.0)] == [0.0, 1.0]


def test_a_rank_is_quiet_once_nothing_of_it_has_moved_for_the_window(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex())
    assert [sampler.sample(now_s).quiet(2.0) for now_s in (0.0, 1.0, 2.0)] == [frozenset(), frozenset(), frozenset({1})]
    ran(tree, RANK, 8)
    assert [sampler.sample(now_s).quiet(2.0) for now_s in (3.0, 4.0, 5.0)] == [frozenset(), frozenset(), frozenset({1})]
    sampler.forgive(1.0)
    assert sampler.sample(5.5).quiet(2.0) == frozenset()


def test_a_rank_that_has_ended_is_not_quiet(tree: ProcTree, sampler: Sampler) -> None:
    sampler.roster.counts.free = 0
    rank(tree, on_futex())
    settled(sampler)
    tree.remove(RANK)
    children(tree, ROOT)
    assert [sampler.sample(now_s).quiet(2.0) for now_s in (2.0, 9.0)] == [frozenset(), frozenset()]


def test_one_thread_that_ran_moves_the_whole_rank_tree(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex())
    fork(tree, on_futex(), working())
    children(tree, RANK, CHILD)
    settled(sampler)
    ran(tree, CHILD, 9, CHILD + 1)
    assert sampler.sample(2.0).progress[1].quiet_s == 0.0
    assert sampler.sample(5.0).progress[1].quiet_s == 3.0


def test_the_run_counts_are_those_of_schedstat(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, Thread(runs=5), Thread(runs=6))
    assert run_counts(sampler.sample(0.0)) == {(RANK, RANK): 5, (RANK, RANK + 1): 6}


# what comes and goes


def test_a_child_is_met_only_when_a_thread_of_its_parent_ran(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, working())
    settled(sampler)
    fork(tree, on_futex())
    children(tree, RANK, CHILD)
    assert sampler.sample(2.0).process_count == 1
    ran(tree, RANK, 8)
    sample = sampler.sample(3.0)
    assert {process.pid for process in sample.ranks[0].members} == {RANK, CHILD}


def test_a_child_of_the_root_is_met_at_every_look(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex())
    settled(sampler)
    fork(tree, on_futex(), parent=ROOT)
    children(tree, ROOT, RANK, CHILD)
    sample = sampler.sample(2.0)
    assert {process.pid for process in sample.ranks[0].members} == {RANK, CHILD}


def test_a_new_thread_is_met_when_another_of_its_process_ran(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex())
    settled(sampler)
    for name in ("schedstat", "syscall", "wchan", "children"):
        tree.write(f"{RANK}/task/{RANK + 1}/{name}", (tree.root / f"{RANK}/task/{RANK}/{name}").read_bytes())
    tree.write(f"{RANK}/stat", with_stat_field((tree.root / f"{RANK}/stat").read_text(), 20, 2))
    assert sampler.sample(2.0).thread_count == 1
    ran(tree, RANK, 8)
    assert sampler.sample(3.0).thread_count == 2


def test_a_thread_that_has_ended_is_forgotten_and_has_moved_its_rank(tree: ProcTree, sampler: Sampler) -> None:
    sampler.roster.counts.free = 0  # as if descriptors had run out: every file is opened for each read
    rank(tree, on_futex(), on_futex())
    settled(sampler)
    for file in (tree.root / f"{RANK}/task/{RANK + 1}").glob("*/*"):
        file.unlink()
    for file in (tree.root / f"{RANK}/task/{RANK + 1}").iterdir():
        file.rmdir() if file.is_dir() else file.unlink()
    (tree.root / f"{RANK}/task/{RANK + 1}").rmdir()
    sample = sampler.sample(2.0)
    assert (set(run_counts(sample)), sample.progress[1].quiet_s) == ({(RANK, RANK)}, 0.0)


def test_a_process_that_has_gone_is_forgotten(tree: ProcTree, sampler: Sampler) -> None:
    sampler.roster.counts.free = 0
    rank(tree, in_wait4(CHILD))
    fork(tree, on_futex())
    children(tree, RANK, CHILD)
    settled(sampler)
    tree.remove(CHILD)
    children(tree, RANK)
    ran(tree, RANK, 8)
    sampler.sample(2.0)
    assert sampler.sample(3.0).process_count == 1


def test_a_process_with_the_pid_of_another_is_met_anew(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex())
    settled(sampler)
    (before,) = sampler.sample(2.0).ranks
    children(tree, ROOT)
    tree.write(f"{RANK}/stat", with_stat_field((tree.root / f"{RANK}/stat").read_text(), 22, 5555))
    ran(tree, RANK, 99)
    sampler.sample(3.0)
    children(tree, ROOT, RANK)
    (after,) = sampler.sample(4.0).ranks
    assert (before.top.pid, after.top.pid) == (RANK, RANK)
    assert (before.top.start_time, after.top.start_time) == (1000 + RANK, 5555)


@pytest.mark.parametrize("state", ["Z", "X"])
def test_what_has_ended_already_is_not_met(tree: ProcTree, sampler: Sampler, state: str) -> None:
    tree.add(RANK, [Thread(state=state)], parent=ROOT, state=state)
    children(tree, ROOT, RANK)
    assert sampler.sample(0.0).process_count == 0


def test_a_process_that_became_a_rank_by_exec_is_marked_anew(tree: ProcTree, sampler: Sampler) -> None:
    tree.add(RANK, [working()], parent=ROOT, comm="hydra_pmi_proxy", is_forked=True)
    children(tree, ROOT, RANK)
    assert sampler.sample(0.0).ranks[0].launcher is Launcher.NONE
    tree.remove(RANK)
    tree.add(RANK, [working()], parent=ROOT, comm="python", environment={"PMI_RANK": "2"})
    ran(tree, RANK, 99)
    sampler.roster.counts.free = 0
    sampler.close()
    sampler.sample(1.0)
    assert [view.rank for view in sampler.sample(2.0).ranks] == [2]


def test_an_orphan_is_kept_in_sight_though_its_parent_does_not_name_it(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, working())
    fork(tree, on_futex())
    children(tree, RANK, CHILD)
    settled(sampler)
    children(tree, RANK)
    ran(tree, RANK, 8)
    assert sampler.sample(2.0).process_count == 2


def test_the_lineage_names_every_process_with_its_parent(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, working())
    fork(tree, on_futex())
    children(tree, RANK, CHILD)
    settled(sampler)
    assert {(process.pid, parent, forked) for process, parent, forked in sampler.lineage()} == {
        (RANK, ROOT, False),
        (CHILD, RANK, True),
    }


def test_a_rank_that_has_ended_leaves_no_lone_command_behind(tree: ProcTree, sampler: Sampler) -> None:
    sampler.roster.counts.free = 0
    sampler.command = ROOT + 1
    tree.add(ROOT + 1, [working()], parent=ROOT, comm="mpiexec")
    children(tree, ROOT, ROOT + 1)
    tree.add(RANK, [working()], parent=ROOT + 1, environment={"PMI_RANK": "1"})
    children(tree, ROOT + 1, RANK)
    assert [view.rank for view in sampler.sample(0.0).ranks] == [1]
    tree.remove(RANK)
    children(tree, ROOT + 1)
    ran(tree, ROOT + 1, 8)
    sampler.sample(1.0)
    assert [view.launcher for view in sampler.sample(2.0).ranks] == [Launcher.HYDRA]


# descriptors


def open_below(tree: ProcTree) -> int:
    """Return how many files of the tree this process has open."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{name}").startswith(str(tree.root))
        except OSError:
            continue
    return count


def test_one_file_a_thread_is_kept_open_until_the_sampler_is_closed(tree: ProcTree, sampler: Sampler) -> None:
    rank(tree, on_futex(), on_futex(), working())
    before = sampler.roster.counts.free
    settled(sampler)
    assert (open_below(tree), sampler.roster.counts.free) == (3, before - 3)
    sampler.close()
    assert (open_below(tree), sampler.roster.counts.free) == (0, before)


def test_without_free_descriptors_files_are_opened_for_each_look(tree: ProcTree, sampler: Sampler) -> None:
    sampler.roster.counts.free = 1
    rank(tree, on_futex(), on_futex())
    sample = settled(sampler)
    assert (open_below(tree), set(narrow(sample))) == (1, {(RANK, RANK), (RANK, RANK + 1)})
    ran(tree, RANK, 8, RANK + 1)
    assert set(narrow(sampler.sample(2.0))) == {(RANK, RANK)}
