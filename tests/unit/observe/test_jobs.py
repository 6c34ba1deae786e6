"""Which trees are jobs: what their ranks name, which launcher is above them, on this node or on another."""

from __future__ import annotations

import os

import pytest

from hangprobe.observe.trees import INIT, Tree

from .forests import OWN, Node, terminal


@pytest.fixture(autouse=True)
def own_pid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hangprobe have a pid that no process below has, wherever these tests run."""
    monkeypatch.setattr(os, "getpid", lambda: OWN)


def test_a_job_is_the_tree_below_its_launcher() -> None:
    node = Node()
    terminal(node, 10)
    node.hydra(20, 10, 45813)
    assert node.trees() == [("mpiexec at login:45813", [20]), (None, [10])]


def test_what_is_looked_at_as_a_job_is_left_out_of_the_program_that_started_it() -> None:
    node = Node()
    node.add(10, INIT, "bash")
    node.hydra(20, 10, 45813)
    job, rest = node.forest().everything()
    assert (set(job.without), set(rest.without)) == (set(), {20})
    assert job == Tree(job.roots, "mpiexec at login:45813")


def test_the_ranks_of_two_jobs_with_equal_numbers_are_two_jobs() -> None:
    node = Node()
    node.add(10, INIT, "bash")
    node.hydra(20, 10, 45813)
    node.hydra(30, 10, 45999)
    assert node.trees()[:2] == [("mpiexec at login:45813", [20]), ("mpiexec at login:45999", [30])]


def test_two_jobs_that_name_nothing_are_told_apart_by_their_launchers() -> None:
    node = Node()
    for mpiexec in (20, 30):
        node.add(mpiexec, INIT, "mpiexec.hydra")
        node.add(mpiexec + 1, mpiexec, "app", rank=0)
    assert node.trees() == [("pid 20", [20]), ("pid 30", [30])]


def test_a_job_whose_launcher_is_on_another_node_has_its_proxy_as_root() -> None:
    node = Node()
    node.add(10, INIT, "sshd")
    node.add(20, 10, "hydra_pmi_proxy", command=["hydra_pmi_proxy", "--control-port", "login:45813"])
    node.add(21, 20, "python", rank=1)
    assert node.trees() == [("mpiexec at login:45813", [20]), (None, [10])]


def test_a_job_may_have_several_roots_on_one_node() -> None:
    node = Node()
    node.add(10, INIT, "slurmstepd", is_mine=False)
    for rank in (0, 1):
        node.add(20 + rank, 10, "app", SLURM_PROCID=str(rank), SLURM_JOB_ID="7", SLURM_STEP_ID="0")
        node.add(30 + rank, 20 + rank, "helper", SLURM_PROCID=str(rank), SLURM_JOB_ID="7", SLURM_STEP_ID="0")
    assert node.trees() == [("slurm step 7.0", [20, 21])]


def test_a_root_of_a_job_below_another_root_of_it_is_none() -> None:
    node = Node()
    node.add(20, INIT, "prted")
    node.add(21, 20, "app", rank=0, PMIX_NAMESPACE="prterun-login-9@1")
    node.add(30, INIT, "app", rank=1, PMIX_NAMESPACE="prterun-login-9@1")
    node.add(31, 30, "app", rank=1, PMIX_NAMESPACE="prterun-login-9@1")
    assert node.trees() == [("prterun-login-9@1", [20, 30])]


def test_a_launcher_that_carries_a_ranks_variables_is_no_rank() -> None:
    """Under Slurm Hydra's proxies are started by srun, which gives them SLURM_PROCID."""
    node = Node()
    node.add(20, INIT, "mpiexec")
    node.add(21, 20, "srun")
    proxy = ["hydra_pmi_proxy", "--control-port", "login:45813"]
    node.add(30, INIT, "hydra_pmi_proxy", command=proxy, SLURM_PROCID="1", SLURM_JOB_ID="7", SLURM_STEP_ID="0")
    node.add(31, 30, "app", rank=2, SLURM_PROCID="1", SLURM_JOB_ID="7", SLURM_STEP_ID="0")
    assert node.trees() == [("mpiexec at login:45813", [30]), (None, [20])]


def test_what_a_rank_starts_is_its_own_whatever_it_inherits() -> None:
    node = Node()
    node.hydra(20, INIT, 45813, ranks=1)
    node.add(40, 22, "helper", rank=0)
    node.add(41, 40, "helper", rank=0)
    assert node.trees() == [("mpiexec at login:45813", [20])]


def test_an_orphan_that_carries_its_rank_is_a_root_of_the_job_that_it_names() -> None:
    node = Node()
    node.add(20, INIT, "prterun")
    node.add(21, 20, "app", rank=0, PMIX_NAMESPACE="prterun-login-20@1")
    node.add(40, INIT, "daemon", rank=0, PMIX_NAMESPACE="prterun-login-20@1")
    assert node.trees() == [("prterun-login-20@1", [20, 40])]


def test_the_ranks_of_others_are_no_jobs_of_mine() -> None:
    node = Node()
    node.hydra(20, INIT, 45813)
    node.others.update({20, 21, 22, 23})
    assert node.trees() == []


@pytest.mark.parametrize("starter", ["parallel", "slurmstepd"])
def test_two_jobs_below_one_launcher_of_other_commands_are_looked_at_apart(starter: str) -> None:
    node = Node()
    node.add(10, INIT, starter)
    node.hydra(20, 10, 45813)
    node.hydra(30, 10, 45999)
    jobs = [(job, roots) for job, roots in node.trees() if job is not None]
    assert jobs == [("mpiexec at login:45813", [20]), ("mpiexec at login:45999", [30])]


def test_a_batch_script_of_slurm_is_no_rank() -> None:
    node = Node()
    node.add(10, INIT, "slurmstepd", is_mine=False)
    node.add(11, 10, "slurm_script", SLURM_PROCID="0", SLURM_JOB_ID="7")
    node.hydra(20, 11, 45813)
    assert [job for job, _ in node.trees() if job is not None] == ["mpiexec at login:45813"]
