"""What an observer takes for its job's when a rank has named itself: what it watches there is ended with the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from hangprobe.agent.observer.registry import RankAt
from hangprobe.observe.roots import Roots
from tests.unit.observe.tree import ProcTree

from .at_work import At, Node, watched

RANK, STARTER = 30, 20


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node(ProcTree(tmp_path / "proc"), monkeypatch)
    made.add(1, 0, "systemd")
    made.add(10, 1, "sshd")
    return made


def met(node: Node, folder: Path, parent: object = None) -> tuple[At, Roots]:
    """Return an observer that has met the rank."""
    at = At(folder, parent=cast("Any", parent))
    roots = Roots(tag="tag-1")
    at.observer.watchdog = watched(roots=roots, reader=node.tree.reader())
    at.observer._meet(RankAt(STARTER, RANK, 7))
    return at, roots


@pytest.mark.parametrize("name", ["hydra_pmi_proxy", "hydra_bstrap_pr", "prted", "orted"])
def test_below_a_daemon_of_one_job_everything_is_the_job_s(name: str, node: Node, tmp_path: Path) -> None:
    node.add(STARTER, 10, name)
    node.add(RANK, STARTER, "python", PMI_RANK="1")
    node.commands[STARTER] = b"prted\0--prtemca\0ess_base_nspace\0prterun-login-7@0\0"
    _, roots = met(node, tmp_path)
    assert list(roots.parents) == [STARTER]
    assert roots.adopters >= {1, 10}
    assert STARTER not in roots.adopters


@pytest.mark.parametrize("name", ["bash", "sshd", "pbs_mom", "slurmstepd", "palsd", "perl", "systemd"])
def test_below_anybody_else_there_may_be_work_of_others(name: str, node: Node, tmp_path: Path) -> None:
    """A user's shell, the batch system's daemon, an sshd with several sessions: what is ended is the job's own."""
    node.add(STARTER, 10, name)
    node.add(RANK, STARTER, "python", PMI_RANK="1")
    at, roots = met(node, tmp_path)
    assert (list(roots.parents), list(roots.members)) == ([], [RANK])
    assert roots.adopters >= {1, 10, STARTER}
    assert at.job.seen == {RANK}


def test_below_pid_1_there_is_everybody(node: Node, tmp_path: Path) -> None:
    node.add(RANK, 1, "python", PMI_RANK="1")
    _, roots = met(node, tmp_path)
    assert (list(roots.parents), list(roots.members)) == ([], [RANK])


@pytest.mark.parametrize("space", [b"prte-login-7@0", b'"prte-login-7@0"'])
def test_the_daemon_of_a_dvm_has_other_jobs_too(space: bytes, node: Node, tmp_path: Path) -> None:
    node.add(STARTER, 10, "prted")
    node.add(RANK, STARTER, "python", OMPI_COMM_WORLD_RANK="1")
    node.commands[STARTER] = b"prted\0--prtemca\0ess_base_nspace\0" + space + b"\0"
    _, roots = met(node, tmp_path)
    assert list(roots.parents) == []


def test_a_proof_takes_the_first_starter_for_where_the_job_begins_and_its_standard_objects_for_shared(
    node: Node, tmp_path: Path
) -> None:
    node.add(STARTER, 10, "bash")
    node.add(RANK, STARTER, "python", PMI_RANK="1")
    for number, link in enumerate(("pipe:[1]", "/dev/pts/3", "pipe:[2]")):
        file = node.tree.root / f"{STARTER}/fd/{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(link)
    at, _ = met(node, tmp_path)
    assert at.observer.watchdog is not None
    assert at.observer.watchdog.scope_root == STARTER
    assert at.observer.watchdog.inherited == frozenset({"pipe:[1]", "/dev/pts/3", "pipe:[2]"})


def test_a_parent_s_rank_has_orphans_of_its_own_number_only(node: Node, tmp_path: Path) -> None:
    node.add(STARTER, 10, "python")
    node.add(RANK, STARTER, "python", PMI_RANK="1", HANGPROBE_JOB="tag-1")
    _, roots = met(node, tmp_path, parent=object())
    assert roots.owns({"HANGPROBE_JOB": "tag-1", "PMI_RANK": "1"})
    assert not roots.owns({"HANGPROBE_JOB": "tag-1", "PMI_RANK": "0"})
    assert not roots.owns({"HANGPROBE_JOB": "tag-2", "PMI_RANK": "1"})
