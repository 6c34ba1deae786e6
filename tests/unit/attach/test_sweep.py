"""Many trees at one look: which are meant, that they share a double collect, and what nobody asked about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hangprobe.attach.sweep import Sweep, Wanted
from hangprobe.errors.jobs import NoSuchProcess
from hangprobe.model import Verdict
from hangprobe.observe import holders, trees
from hangprobe.observe.waits import shapes
from hangprobe.observe.world import Lasting
from hangprobe.policy import Policy
from tests.unit.observe.calls import asleep, in_read, in_wait4, working
from tests.unit.observe.opened import reads, writes
from tests.unit.observe.tree import ARCH, HOST, NOW_S, ProcTree, clocks

INIT, MPIEXEC, RANK, CHILD, DAEMON, HELPER = 1, 100, 200, 210, 900, 910


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProcTree:
    """Return a node with a job of one hung rank, and a daemon that has slept for as long as anybody can tell."""
    monkeypatch.setattr(holders, "_has_count", True)
    monkeypatch.setattr(os, "getpid", lambda: 4242)
    monkeypatch.setattr(shapes, "machine", lambda: ARCH)
    monkeypatch.setattr(trees, "is_own", lambda pid: True)
    monkeypatch.setattr(trees, "runs", lambda pid, name: True)
    tree = ProcTree(tmp_path / "proc")
    tree.add(INIT, [working()], parent=0, comm="systemd", command=["/sbin/init"])
    tree.add(MPIEXEC, [working()], parent=INIT, comm="mpiexec", command=["mpiexec", "-n", "1", "app"])
    tree.add(RANK, [in_wait4(CHILD)], parent=MPIEXEC, environment={"PMI_RANK": "0", "PMI_SIZE": "1"})
    tree.add(CHILD, [in_read(3)], parent=RANK, is_forked=True, links={3: reads(7), 4: writes(7)})
    tree.add(DAEMON, [asleep()], parent=INIT, comm="daemon", command=["daemon", "--foreground"])
    tree.add(HELPER, [asleep()], parent=DAEMON, comm="daemon", command=[""])
    return tree


def sweep(tree: ProcTree, **wanted: object) -> Sweep:
    return Sweep(
        Wanted(**wanted),  # type: ignore[arg-type]
        Policy(has_stacks=False),
        reader=tree.reader(),
        host=HOST,
        clock=lambda: NOW_S,
        sleep=lambda s: None,
        lasting=Lasting(clocks=clocks()),
    )


def looked(tree: ProcTree, **wanted: object) -> dict[tuple[str, ...], Verdict]:
    """Return the verdict on each tree that is meant, by its command line."""
    seen = sweep(tree, **wanted)
    seen.look()
    return {result.command: result.verdict for result in seen.results()}


JOB, IDLE = ("mpiexec", "-n", "1", "app"), ("daemon", "--foreground")


def test_every_tree_of_the_node_is_looked_at_and_only_the_hung_job_is_called_hung(node: ProcTree) -> None:
    assert looked(node) == {JOB: Verdict.HANG, IDLE: Verdict.OK}


def test_all_trees_of_a_sweep_share_one_double_collect(node: ProcTree) -> None:
    seen = sweep(node)
    seen.look()
    began = {each.double.first.began_s for each in seen.attachments.values() if each.double is not None}
    assert (len(seen.attachments), len(began)) == (2, 1)


def test_jobs_alone_can_be_meant(node: ProcTree) -> None:
    assert looked(node, jobs_only=True) == {JOB: Verdict.HANG}


def test_a_process_can_be_meant(node: ProcTree) -> None:
    assert list(looked(node, pids=(MPIEXEC,))) == [JOB]
    assert list(looked(node, pids=(MPIEXEC, DAEMON))) == [JOB, IDLE]


def test_a_name_can_be_meant(node: ProcTree) -> None:
    assert list(looked(node, name="daemon")) == [IDLE]


def test_a_process_without_a_command_line_is_called_by_its_name(node: ProcTree) -> None:
    assert list(looked(node, pids=(HELPER,))) == [("[daemon]",)]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"pids": (4711,)}, "there is no process 4711"),
        ({"pids": (DAEMON, 4711)}, "there is no process 4711"),
        ({"name": "nobody"}, "no process of yours is named 'nobody'"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_looked_at(
    node: ProcTree, wanted: dict[str, object], said: str
) -> None:
    with pytest.raises(NoSuchProcess, match=said):
        sweep(node, **wanted).look()


def test_a_process_that_has_ended_is_not_there(node: ProcTree) -> None:
    node.add(950, [working()], parent=INIT, state="Z", thread_count=0)
    with pytest.raises(NoSuchProcess, match="there is no process 950"):
        sweep(node, pids=(950,)).look()


def test_of_everything_there_is_always_something_left_and_of_one_tree_only_while_it_runs(node: ProcTree) -> None:
    everything, one = sweep(node), sweep(node, pids=(DAEMON,))
    for seen in (everything, one):
        seen.look()
        assert seen.is_anything_left()
    node.remove(DAEMON)
    assert everything.is_anything_left()
    assert not one.is_anything_left()


def test_what_has_come_since_is_looked_at_with_everything(node: ProcTree) -> None:
    seen = sweep(node)
    seen.look()
    node.add(950, [working()], parent=INIT, comm="new", command=["new"])
    seen.look_again()
    assert ("new",) in {result.command for result in seen.results()}


def test_a_tree_that_has_ended_says_so(node: ProcTree) -> None:
    seen = sweep(node, pids=(DAEMON,))
    seen.look()
    node.remove(HELPER)
    node.remove(DAEMON)
    seen.look_again()
    (result,) = seen.results()
    assert result.ended_by == "itself"
