"""A job of GNU parallel is a rank of it where nothing else is one."""

from __future__ import annotations

import pytest

from hangprobe.model import Launcher, ProcessId
from hangprobe.observe.ranks import RANK_VARIABLES, Marker, Relative, attribute, job_marker, marker

from .tree import ProcTree

PARALLEL, SHELL, FIRST = 10, 20, 30


def relative(pid: int, parent: int, mark: Marker | None, name: str = "python") -> Relative:
    return Relative(ProcessId("node01", pid, pid), parent, name, mark, 1)


def job(number: int) -> Marker:
    return Marker(number, Launcher.GNU_PARALLEL)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PARALLEL_SEQ": "1"}, job(0)),
        ({"PARALLEL_SEQ": "12", "PARALLEL_PID": "7"}, job(11)),
        ({"PARALLEL_SEQ": "0"}, None),
        ({"PARALLEL_SEQ": ""}, None),
        ({"PARALLEL_SEQ": "-1"}, None),
        ({"PARALLEL_SEQ": "9" * 50}, None),
        ({"PARALLEL_PID": "7", "PARALLEL_JOBSLOT": "2"}, None),
        ({"PARALLEL_SEQ": "4", "PMI_RANK": "2"}, Marker(2, Launcher.HYDRA)),
        ({"PARALLEL_SEQ": "4", "SLURM_PROCID": "2", "SLURM_STEP_ID": "0"}, Marker(2, Launcher.SRUN)),
        ({"PARALLEL_SEQ": "4", "SLURM_PROCID": "0"}, job(3)),
        ({}, None),
    ],
)
def test_a_job_is_numbered_from_0_on_and_any_launcher_s_rank_goes_before(
    environment: dict[str, str], expected: Marker | None
) -> None:
    assert job_marker(environment, own={}) == expected


def test_the_job_in_which_hangprobe_itself_runs_says_nothing() -> None:
    own = {"PARALLEL_SEQ": "3", "PARALLEL_PID": "7"}
    assert job_marker(dict(own), own) is None
    assert job_marker({**own, "PARALLEL_PID": "8"}, own) == job(2)
    assert job_marker({**own, "PARALLEL_SEQ": "2"}, own) == job(1)
    assert job_marker({"PARALLEL_SEQ": "3"}, {"PARALLEL_SEQ": "3"}) is None


def test_whoever_looks_at_a_whole_node_takes_no_job_for_a_rank() -> None:
    assert marker({"PARALLEL_SEQ": "1"}, own={}) is None
    assert all(launcher is not Launcher.GNU_PARALLEL for _, launcher in RANK_VARIABLES)


def test_jobs_are_ranks_with_all_that_they_start(tree: ProcTree) -> None:
    relatives = [
        relative(PARALLEL, 1, None, "parallel"),
        relative(SHELL, PARALLEL, job(0), "bash"),
        relative(SHELL + 1, SHELL, job(0)),
        relative(FIRST, PARALLEL, job(1)),
    ]
    found = attribute(relatives, PARALLEL, tree.reader())
    assert [(rank.rank, rank.launcher, rank.top.pid, len(rank.members)) for rank in found] == [
        (0, Launcher.GNU_PARALLEL, SHELL, 2),
        (1, Launcher.GNU_PARALLEL, FIRST, 1),
    ]


def test_the_ranks_of_an_mpiexec_that_a_job_has_started_are_the_ranks(tree: ProcTree) -> None:
    relatives = [
        relative(PARALLEL, 1, None, "parallel"),
        relative(SHELL, PARALLEL, job(4), "bash"),
        relative(SHELL + 1, SHELL, job(4), "mpiexec"),
        relative(SHELL + 2, SHELL + 1, job(4), "hydra_pmi_proxy"),
        relative(FIRST, SHELL + 2, Marker(0, Launcher.HYDRA)),
        relative(FIRST + 1, SHELL + 2, Marker(1, Launcher.HYDRA)),
    ]
    found = attribute(relatives, PARALLEL, tree.reader())
    assert [(rank.rank, rank.launcher, rank.top.pid) for rank in found] == [
        (0, Launcher.HYDRA, FIRST),
        (1, Launcher.HYDRA, FIRST + 1),
    ]


def test_what_a_job_is_sent_by_is_no_rank_and_what_runs_elsewhere_is(tree: ProcTree) -> None:
    sent = job_marker({"PARALLEL_SEQ": "2", "PARALLEL_SSHLOGIN": "node02"}, own={})
    assert sent is not None
    connection = [relative(SHELL, PARALLEL, sent, "sh"), relative(SHELL + 1, SHELL, sent, "ssh")]
    (lone,) = attribute([relative(PARALLEL, 1, None, "parallel"), *connection], PARALLEL, tree.reader())
    assert (lone.launcher, lone.top.pid) == (Launcher.NONE, PARALLEL)
    (there,) = attribute([relative(SHELL, 5, sent, "bash"), relative(FIRST, SHELL, sent)], 0, tree.reader())
    assert (there.rank, there.launcher, len(there.members)) == (1, Launcher.GNU_PARALLEL, 2)


@pytest.mark.parametrize("host", [{}, {"PARALLEL_SSHLOGIN": ":"}])
def test_a_job_that_is_not_sent_is_a_rank_below_parallel(tree: ProcTree, host: dict[str, str]) -> None:
    here = job_marker({"PARALLEL_SEQ": "2", **host}, own={})
    (rank,) = attribute([relative(PARALLEL, 1, None, "perl"), relative(FIRST, PARALLEL, here)], PARALLEL, tree.reader())
    assert (rank.rank, rank.top.pid) == (1, FIRST)


def test_a_launcher_that_a_job_starts_is_no_rank_though_it_has_the_job_s_number(tree: ProcTree) -> None:
    relatives = [relative(PARALLEL, 1, None, "parallel"), relative(SHELL, PARALLEL, job(0), "mpiexec")]
    (lone,) = attribute(relatives, PARALLEL, tree.reader())
    assert (lone.rank, lone.launcher) == (0, Launcher.NONE)
