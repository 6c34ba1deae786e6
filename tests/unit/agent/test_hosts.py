"""Which nodes are meant: node files of every launcher, folded sets, and what batch systems say of a job."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.agent import hosts
from hangprobe.agent.hosts import (
    Allocation,
    Batch,
    Run,
    allocated,
    allocation,
    hosts_in,
    pbs_hosts,
    slurm_hosts,
    unfolded,
)
from hangprobe.errors.base import ExtraMissing, UsageError
from hangprobe.errors.jobs import NoSuchJob
from hangprobe.ranksets import fold_hosts

# node files


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    """Return how to write a node file; its path is returned."""

    def write(text: str) -> str:
        path = tmp_path / "nodes"
        path.write_bytes(text.encode())
        return str(path)

    return write


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("node01\nnode02\n", ("node01", "node02")),
        ("node01\nnode01\nnode02\nnode01\n", ("node01", "node02")),  # PBS_NODEFILE: a line for each chunk
        ("node02 slots=4\nnode01 slots=4 max_slots=8\n", ("node02", "node01")),  # Open MPI
        ("node01:4\nnode02:4 binding=user:0\n", ("node01", "node02")),  # Hydra, Intel MPI
        ("# the cluster\n\nnode01 # the first\n   \n  node02  \n#node03\n", ("node01", "node02")),
        ("node01\r\nnode02 slots=2\r\n", ("node01", "node02")),
        ("4/node01\n", ("4",)),  # an --sshloginfile of GNU parallel is none: the number of jobs stands in front
        ("node01", ("node01",)),
        ("x3006c0s13b0n0.hsn.cm.site.example\n10.0.0.7\n", ("x3006c0s13b0n0.hsn.cm.site.example", "10.0.0.7")),
    ],
)
def test_a_node_file_names_each_host_once_in_its_order(
    file: Callable[[str], str], text: str, names: tuple[str, ...]
) -> None:
    assert hosts_in(file(text)) == names


NAME = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9](\.[a-z]{1,4})?", fullmatch=True)
BEHIND = st.sampled_from(["", " slots=4", ":4", "\tslots = 2", "  ", "*2", " # a comment", ":4 binding=user:0,1"])
LINES = st.lists(st.tuples(NAME, BEHIND, st.sampled_from(["", "\n\n", "# node99\n", "  \n"])), min_size=1)


@given(LINES, st.sampled_from(["\n", "\r\n"]))
def test_slots_comments_and_empty_lines_change_no_host(lines: list[tuple[str, str, str]], end: str) -> None:
    text = "".join(f"{before}{name}{behind}\n" for name, behind, before in lines).replace("\n", end)
    assert hosts._lines(text) == tuple(dict.fromkeys(name for name, *_ in lines))


@given(st.text())
def test_no_text_makes_a_node_file_raise_and_no_host_is_empty_or_said_twice(text: str) -> None:
    found = hosts._lines(text)
    assert all(found)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "   "])
def test_a_node_file_without_a_host_is_a_mistake(file: Callable[[str], str], text: str) -> None:
    with pytest.raises(UsageError, match="names no host"):
        hosts_in(file(text))


def test_a_node_file_that_is_not_there_is_not_taken_for_a_host(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no node file"):
        hosts_in(str(tmp_path / "nodes"))


# folded sets


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("node01", ("node01",)),
        ("node[1-3]", ("node1", "node2", "node3")),
        ("node[09-11],login", ("login", "node09", "node10", "node11")),
        ("node[1-4/2]", ("node1", "node3")),
        ("node01,node01", ("node01",)),
        ("10.0.0.[1-2]", ("10.0.0.1", "10.0.0.2")),
    ],
)
def test_a_folded_set_is_unfolded(text: str, names: tuple[str, ...]) -> None:
    assert tuple(sorted(hosts_in(text))) == tuple(sorted(names))


@pytest.mark.parametrize("text", ["node[1-", "node[3-1]", "node[a]", "node]", "node[1-2]]", "node01,,["])
def test_what_is_no_set_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no set of hosts"):
        hosts_in(text)


@pytest.mark.parametrize("text", ["", ",", " "])
def test_a_set_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        hosts_in(text)


@given(st.lists(st.from_regex(r"[a-z]{1,3}[0-9]{0,3}", fullmatch=True), min_size=1))
def test_what_is_folded_is_unfolded_to_the_same_hosts(names: list[str]) -> None:
    assert set(unfolded(fold_hosts(names))) == set(names)


@pytest.mark.parametrize("name", ["a[", "a]b", "a[1-"])
def test_what_cannot_be_folded_is_written_as_it_is(name: str) -> None:
    assert fold_hosts([name, "b"]) == f"{name},b"


# Slurm


def says(output: str) -> Run:
    return lambda command: output


@pytest.mark.parametrize("state", ["RUNNING", "COMPLETING", "SUSPENDED"])
def test_the_nodes_of_a_job_of_slurm_are_those_that_it_has(state: str) -> None:
    assert slurm_hosts("7", says(f"{state} node[01-03]\n")) == ("node01", "node02", "node03")


def test_slurm_is_asked_for_that_job_alone() -> None:
    asked: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> str:
        asked.append(command)
        return "RUNNING node01"

    slurm_hosts("7", run)
    assert asked == [("squeue", "-h", "-j", "7", "-o", "%T %N")]


@pytest.mark.parametrize("state", ["PENDING", "CONFIGURING", "CANCELLED"])
def test_a_job_without_nodes_says_what_it_does_instead(state: str) -> None:
    with pytest.raises(NoSuchJob, match=f"no nodes: it is {state}"):
        slurm_hosts("7", says(f"{state} \n"))


@pytest.mark.parametrize("output", ["", "\n", "  \n"])
def test_a_job_that_slurm_does_not_name_is_none(output: str) -> None:
    with pytest.raises(NoSuchJob, match="knows no job 7"):
        slurm_hosts("7", says(output))


def test_an_array_of_jobs_is_not_one_job() -> None:
    with pytest.raises(NoSuchJob, match="several jobs"):
        slurm_hosts("7", says("RUNNING node01\nRUNNING node02\nPENDING \n"))


# PBS

QSTAT = """Job Id: 123.pbs01
    Job_Name = sim
    job_state = R
    exec_host = {}
    exec_host2 = other01:15002/0
    exec_vnode = (vnode01:ncpus=4)
    comment = exec_host = nonsense
"""


def test_the_nodes_of_a_job_of_pbs_are_those_of_exec_host_once_each() -> None:
    text = QSTAT.format("node01/0*4+node02/0*4+node01/1*4")
    assert pbs_hosts("123", says(text)) == ("node01", "node02")


def test_pbs_folds_long_lines() -> None:
    names = [f"x3006c0s{n}b0n0" for n in range(40)]
    value = "+".join(f"{name}/0*64" for name in names)
    width = 60
    chunks = [value[start : start + width] for start in range(0, len(value), width)]
    assert pbs_hosts("123", says(QSTAT.format("\n\t".join(chunks)))) == tuple(names)


@given(st.lists(st.tuples(NAME, st.integers(0, 200), st.integers(1, 64)), min_size=1), st.integers(1, 80))
def test_however_pbs_folds_its_lines_the_hosts_are_the_same(chunks: list[tuple[str, int, int]], width: int) -> None:
    value = "+".join(f"{name}/{index}*{count}" for name, index, count in chunks)
    shown = "\n\t".join(value[start : start + width] for start in range(0, len(value), width))
    assert pbs_hosts("123", says(QSTAT.format(shown))) == tuple(dict.fromkeys(name for name, *_ in chunks))


@pytest.mark.parametrize("text", ["", "Job Id: 123.pbs01\n    job_state = Q\n", "    comment = exec_host\n"])
def test_a_job_of_pbs_that_does_not_run_has_no_nodes(text: str) -> None:
    with pytest.raises(NoSuchJob, match="job 123 has no nodes"):
        pbs_hosts("123", says(text))


# which batch system


def has(*commands: str) -> Callable[[str], str | None]:
    return lambda name: f"/usr/bin/{name}" if name in commands else None


def answers(command: Sequence[str]) -> str:
    return "RUNNING node01" if command[0] == "squeue" else QSTAT.format("node09/0")


@pytest.mark.parametrize(
    ("job", "commands", "batch", "names"),
    [
        ("123", ("squeue",), Batch.SLURM, ("node01",)),
        ("123_4", ("squeue",), Batch.SLURM, ("node01",)),
        ("123", ("qstat",), Batch.PBS, ("node09",)),
        ("123.pbs01", ("qstat",), Batch.PBS, ("node09",)),
        ("123[4].pbs01", ("qstat", "squeue"), Batch.PBS, ("node09",)),
        ("123", ("qstat", "squeue"), Batch.SLURM, ("node01",)),
    ],
)
def test_whichever_batch_system_is_here_is_asked(
    job: str, commands: tuple[str, ...], batch: Batch, names: tuple[str, ...]
) -> None:
    assert allocation(job, answers, has(*commands)) == Allocation(batch, job, names)


def test_without_a_batch_system_the_hosts_must_be_named() -> None:
    with pytest.raises(UsageError, match="neither squeue nor qstat"):
        allocation("123", answers, has())


def batch_command(folder: Path, script: str) -> str:
    path = folder / "squeue"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_batch_system_that_refuses_is_quoted(tmp_path: Path) -> None:
    command = batch_command(tmp_path, "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    with pytest.raises(NoSuchJob, match="Invalid job id specified"):
        hosts._run((command, "-j", "7"))


def test_a_batch_system_that_fails_without_a_word_is_told_by_its_status(tmp_path: Path) -> None:
    with pytest.raises(NoSuchJob, match="exit 3"):
        hosts._run((batch_command(tmp_path, "exit 3"),))


def test_a_batch_system_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "ASK_S", 0.2)
    with pytest.raises(NoSuchJob, match=r"did not answer within 0\.2 s"):
        hosts._run((batch_command(tmp_path, "exec sleep 60"),))


def test_environment_offers_the_nodes_of_its_job(tmp_path: Path) -> None:
    nodes = tmp_path / "nodes"
    nodes.write_text("node07\nnode07\nnode08\n")
    everything = {"PBS_NODEFILE": str(nodes), "SLURM_JOB_NODELIST": "node[01-02]", "HANGPROBE_HOSTS": "node09"}
    assert allocated({}) == ()
    assert allocated({"PBS_NODEFILE": "", "HANGPROBE_HOSTS": "node[09-10]"}) == ("node09", "node10")
    assert allocated(everything) == ("node07", "node08")
    assert allocated({**everything, "PBS_NODEFILE": ""}) == ("node01", "node02")


def test_node_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="no node file /gone/nodes"):
        allocated({"PBS_NODEFILE": "/gone/nodes"})


def test_without_clustershell_the_command_that_brings_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExtraMissing, match=r"pip install 'hangprobe\[nodes\]'"):
        unfolded("node[01-02]")
