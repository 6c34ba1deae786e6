"""Who has started a rank: the first above it that does not carry its number."""

from __future__ import annotations

from pathlib import Path

import pytest

from hangprobe.agent.observer.starter import starter_of
from hangprobe.model import ProcessId
from tests.unit.observe.tree import HOST, ProcTree

from .at_work import Node


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node(ProcTree(tmp_path / "proc"), monkeypatch)
    made.add(1, 0, "systemd")
    made.add(10, 1, "sshd")
    return made


def starter(node: Node, pid: int, start: int = 7) -> int | None:
    found = starter_of(node.tree.reader(), ProcessId(HOST, pid, start))
    return None if found is None else found.pid


def test_the_proxy_above_a_rank_has_started_it(node: Node) -> None:
    node.add(20, 10, "hydra_pmi_proxy")
    node.add(30, 20, "python", PMI_RANK="3")
    assert starter(node, 30) == 20


def test_a_shell_and_a_timeout_with_the_rank_s_number_are_part_of_it(node: Node) -> None:
    node.add(20, 10, "hydra_pmi_proxy")
    node.add(30, 20, "bash", PMI_RANK="3")
    node.add(31, 30, "timeout", PMI_RANK="3")
    node.add(32, 31, "python", PMI_RANK="3")
    assert starter(node, 32) == 20


def test_a_launcher_is_no_part_of_a_rank_though_it_has_its_number(node: Node) -> None:
    node.add(20, 10, "slurmstepd", SLURM_PROCID="0", SLURM_STEP_ID="0")
    node.add(21, 20, "hydra_pmi_proxy", PMI_RANK="0")
    node.add(30, 21, "python", PMI_RANK="0")
    assert starter(node, 30) == 21


def test_what_has_another_number_is_no_part_of_a_rank(node: Node) -> None:
    node.add(20, 10, "perl", PMI_RANK="1")
    node.add(30, 20, "python", PMI_RANK="0")
    assert starter(node, 30) == 20


def test_above_a_job_of_gnu_parallel_stands_the_perl_that_was_sent_along(node: Node) -> None:
    node.add(20, 10, "perl")
    node.add(30, 20, "bash", PARALLEL_SEQ="2")
    node.add(31, 30, "python", PARALLEL_SEQ="2")
    assert starter(node, 31) == 20


def test_without_a_number_the_parent_has_started_it(node: Node) -> None:
    node.add(20, 10, "bash")
    node.add(30, 20, "python")
    assert starter(node, 30) == 20


def test_a_rank_that_has_gone_and_another_process_with_its_pid_have_no_starter(node: Node) -> None:
    node.add(30, 10, "python", PMI_RANK="0")
    assert starter(node, 99) is None
    assert starter(node, 30, start=8) is None


def test_init_is_no_part_of_a_rank(node: Node) -> None:
    node.add(1, 0, "python", PMI_RANK="0")
    node.add(30, 1, "python", PMI_RANK="0")
    assert starter(node, 30) == 1
