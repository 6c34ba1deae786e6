"""One tree that runs already, on a synthetic node: who is looked at, and what is said of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hangprobe.attach.attachment import Attachment
from hangprobe.model import Launcher, RankState, Verdict
from hangprobe.observe import holders
from hangprobe.observe.trees import Tree
from hangprobe.observe.waits import shapes
from hangprobe.observe.world import Lasting
from hangprobe.policy import Policy
from tests.unit.observe.calls import in_read, in_wait4, working
from tests.unit.observe.opened import reads, writes
from tests.unit.observe.tree import ARCH, HOST, NOW_S, ProcTree, clocks

SHELL, MPIEXEC, PROXY = 50, 100, 110
RANKS = (200, 300)
CHILD = 310
OWN = 4242
"""The pid of hangprobe itself."""
POLICY = Policy(has_stacks=False)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProcTree:
    """Return a node with a job of two ranks below a shell; rank 1 waits for a child that nobody can wake."""
    monkeypatch.setattr(holders, "_has_count", True)
    monkeypatch.setattr(os, "getpid", lambda: OWN)
    monkeypatch.setattr(shapes, "machine", lambda: ARCH)
    tree = ProcTree(tmp_path / "proc")
    tree.add(SHELL, comm="bash", command=["-bash"])
    tree.add(MPIEXEC, [working()], parent=SHELL, comm="mpiexec", command=["mpiexec", "-n", "2", "app"])
    tree.add(PROXY, [working()], parent=MPIEXEC, comm="hydra_pmi_proxy", command=["hydra_pmi_proxy"])
    for rank, pid in enumerate(RANKS):
        call = working() if rank == 0 else in_wait4(CHILD)
        tree.add(pid, [call], parent=PROXY, environment={"PMI_RANK": str(rank), "PMI_SIZE": "2"})
    tree.add(CHILD, [in_read(3)], parent=RANKS[1], is_forked=True, links={3: reads(7), 4: writes(7)})
    return tree


def attached(tree: ProcTree, *pids: int, without: tuple[int, ...] = ()) -> Attachment:
    roots = tuple(tree.id(pid) for pid in pids)
    return Attachment(
        tree=Tree(roots, "a job", frozenset(without)),
        policy=POLICY,
        host=HOST,
        reader=tree.reader(),
        lasting=Lasting(clocks=clocks()),
        clock=lambda: NOW_S,
        sleep=lambda s: None,
    )


def pids(attachment: Attachment) -> list[int]:
    return sorted(member.pid for member in attachment.members())


def states(attachment: Attachment) -> dict[int, RankState]:
    assert attachment.judgement is not None
    return {rank.rank: rank.state for rank in attachment.judgement.ranks}


def test_the_ranks_of_a_job_are_found_below_its_launcher(node: ProcTree) -> None:
    seen = attached(node, MPIEXEC)
    assert pids(seen) == [*RANKS, CHILD]
    assert [(rank.rank, rank.launcher, rank.size) for rank in seen.ranks] == [
        (0, Launcher.HYDRA, 2),
        (1, Launcher.HYDRA, 2),
    ]
    assert seen.running == {0, 1}


def test_one_look_tells_which_rank_hangs(node: ProcTree) -> None:
    seen = attached(node, MPIEXEC)
    assert seen.look()
    assert seen.verdict is Verdict.HANG
    assert states(seen) == {0: RankState.PROGRESSING, 1: RankState.PROVEN}
    assert [finding.ranks for finding in seen.findings] == ["1"]


def test_a_second_look_at_the_same_says_nothing_new(node: ProcTree) -> None:
    seen = attached(node, MPIEXEC)
    seen.look()
    assert not seen.look()
    assert (seen.samples, len(seen.collects)) == (2, 2)


def test_what_is_another_tree_is_left_out(node: ProcTree) -> None:
    assert pids(attached(node, MPIEXEC, without=(RANKS[1],))) == [RANKS[0]]
    seen = attached(node, MPIEXEC, without=(CHILD,))
    seen.look()
    assert seen.double is not None
    assert CHILD not in {view.id.pid for view in seen.double.second.processes}


def test_hangprobe_itself_and_what_it_has_started_are_left_out(node: ProcTree) -> None:
    node.add(OWN, parent=RANKS[0], environment={"PMI_RANK": "0"})
    node.add(OWN + 1, parent=OWN, environment={"PMI_RANK": "0"})
    assert pids(attached(node, MPIEXEC)) == [*RANKS, CHILD]


def test_a_rank_that_has_ended_is_remembered_and_runs_no_more(node: ProcTree) -> None:
    seen = attached(node, MPIEXEC)
    seen.look()
    node.remove(RANKS[0])
    seen.look()
    assert [rank.rank for rank in seen.ranks] == [0, 1]
    assert seen.running == {1}


def test_a_program_without_ranks_is_rank_0_itself(node: ProcTree) -> None:
    node.add(900, [working()])
    node.add(901, [working()], parent=900)
    seen = attached(node, 900)
    assert pids(seen) == [900, 901]
    assert [(rank.rank, rank.launcher) for rank in seen.ranks] == [(0, Launcher.NONE)]


def test_a_job_with_several_roots_has_the_ranks_of_all(node: ProcTree) -> None:
    assert pids(attached(node, *RANKS)) == [*RANKS, CHILD]


def test_a_rank_number_that_the_tree_was_started_with_names_no_rank_of_it(node: ProcTree) -> None:
    node.add(900, [working()], environment={"PMI_RANK": "7"})
    node.add(901, [working()], parent=900, environment={"PMI_RANK": "7"})
    seen = attached(node, 901)
    seen.members()
    assert [rank.rank for rank in seen.ranks] == [0]


def test_a_tree_runs_as_long_as_one_of_its_roots_does(node: ProcTree) -> None:
    seen = attached(node, *RANKS)
    node.remove(RANKS[0])
    assert seen.is_running()
    node.remove(RANKS[1])
    assert not seen.is_running()


def test_a_pid_that_was_given_again_is_not_the_root(node: ProcTree) -> None:
    seen = attached(node, MPIEXEC)
    node.remove(MPIEXEC)
    node.add(MPIEXEC, [working()], start=99_999)
    assert not seen.is_running()
    assert pids(seen) == []


def test_a_child_that_may_not_be_read_makes_its_rank_no_hang(node: ProcTree) -> None:
    node.refuse(f"{CHILD}/task/{CHILD}/syscall")
    seen = attached(node, MPIEXEC)
    seen.look()
    assert seen.verdict is not Verdict.HANG


def test_a_thread_that_has_run_between_two_looks_ends_the_proof(node: ProcTree) -> None:
    seen = attached(node, MPIEXEC)
    seen.look()
    node.remove(CHILD)
    node.add(CHILD, [working()], parent=RANKS[1], is_forked=True)
    assert seen.look()
    assert seen.verdict is Verdict.OK
