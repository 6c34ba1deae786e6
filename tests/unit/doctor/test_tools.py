"""Launchers, packages and programs: the right one, another one of that name, an old one, none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hangprobe.doctor.checks import compare, mpi, nodes, python, scheduler, stacks
from hangprobe.doctor.checkup import State
from hangprobe.doctor.facts import JobFacts
from hangprobe.doctor.gather.mpi import plain, short
from hangprobe.model import Launcher

from .machines import COMPARE, MPI, NODES, PYTHON, SLURM, STACKS


def test_all_is_well_where_everything_is_there() -> None:
    said = [judge(MPI) for judge in mpi.CHECKS] + [judge(NODES) for judge in nodes.CHECKS]
    said += [judge(COMPARE) for judge in compare.CHECKS] + [judge(PYTHON) for judge in python.CHECKS]
    said += [scheduler.batch_system(SLURM), stacks.py_spy(STACKS)]
    assert {each.state for each in said} == {State.OK}
    assert {(each.enables, each.remedy) for each in said} == {("", "")}


def test_a_launcher_of_another_mpi_starts_jobs_of_size_1() -> None:
    job = JobFacts(2, (1, 1), "Open MPI v5.0.11", "2 jobs of one rank instead of one of 2")
    said = mpi.mpi_library(replace(MPI, job=job))
    assert said.state is State.MISSING
    assert said.says == "2 jobs of size 1 of Open MPI v5.0.11: MPICH (Hydra) does not fit the library"


def test_a_job_that_fails_is_told_in_its_own_words() -> None:
    said = mpi.mpi_library(replace(MPI, job=JobFacts(2, (), "", "the job did not end within 8 s")))
    assert said.state is State.MISSING
    assert "did not end within 8 s" in said.says


def test_no_launcher_a_broken_one_no_mpi4py() -> None:
    none = replace(MPI, path=None, launcher=Launcher.NONE, job=None)
    broken = replace(MPI, failure="cannot run /opt/mpiexec: Exec format error", job=None)
    assert [judge(none).state for judge in mpi.CHECKS] == [State.MISSING, State.MISSING]
    assert [judge(broken).state for judge in mpi.CHECKS] == [State.MISSING, State.MISSING]
    assert "Exec format error" in mpi.mpiexec(broken).says
    assert "mpi4py" in mpi.mpi_library(replace(MPI, mpi4py=None, job=None)).remedy


def test_a_launcher_that_says_nothing_known_is_a_limit() -> None:
    assert mpi.mpiexec(replace(MPI, launcher=Launcher.NONE)).state is State.LIMITED


@pytest.mark.parametrize(
    ("says", "name"),
    [
        ("MPICH Version: 5.0.2 MPICH Release date: Fri", "MPICH 5.0.2"),
        ("Open MPI v5.0.11, package: Open MPI", "Open MPI v5.0.11"),
        ("Intel(R) MPI Library 2021.18 for Linux* OS", "Intel(R) MPI Library 2021.18"),
        ("", ""),
    ],
)
def test_a_library_is_named_up_to_its_version(says: str, name: str) -> None:
    assert short(says) == name


def test_a_launchers_words_lose_their_rules_and_are_cut() -> None:
    assert plain(f"{'-' * 60} prterun detected that {'-' * 60}") == "prterun detected that "
    assert len(plain("word " * 1000)) < 210


@pytest.mark.parametrize(
    "says", ["parallel [OPTIONS] command -- arguments", "parallel: invalid option -- '-'", "", "1.2.0"]
)
def test_other_programs_are_named_parallel_too(says: str) -> None:
    said = compare.gnu_parallel(replace(COMPARE, parallel_says=says))
    assert said.state is State.MISSING
    assert "another program of that name" in said.says


def test_one_that_a_namesake_on_path_hides_is_of_limited_use() -> None:
    said = compare.gnu_parallel(replace(COMPARE, shadow=("/opt/bin/parallel", "no answer within 3 s")))
    assert said.state is State.LIMITED
    assert "/opt/bin/parallel is another program of that name ('no answer within 3 s')" in said.says


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("1.2.0", State.LIMITED),
        ("1.3.0.dev0", State.LIMITED),
        ("2022.12.26", State.LIMITED),
        ("2023.10.23", State.LIMITED),
        ("2023.12.11", State.OK),
        ("2024.1", State.OK),
        ("2026.10.26", State.OK),
        (None, State.MISSING),
    ],
)
def test_old_parsl_forks_its_workers_whatever_it_logs(version: str | None, state: State) -> None:
    assert compare.parsl(replace(COMPARE, parsl=version)).state is state


@pytest.mark.parametrize(
    ("setting", "value", "remedy"),
    [
        ("user.max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000"),
        ("kernel.unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
        ("user.max_user_namespaces", "96365", "outside the container"),
    ],
)
def test_refused_namespaces_name_the_setting_that_refuses(setting: str, value: str, remedy: str) -> None:
    said = nodes.namespaces(replace(NODES, namespaces="EPERM", settings={setting: value}))
    assert said.state is State.MISSING
    assert remedy in said.remedy


def test_settings_that_look_bad_do_not_matter_if_it_works() -> None:
    facts = replace(NODES, is_root=True, settings={"user.max_user_namespaces": "0"})
    assert nodes.namespaces(facts).state is State.OK


def test_sshd_may_be_unpacked_and_without_apt_get_must_be_installed() -> None:
    without = {**NODES.tools, "openssh-server": ""}
    assert nodes.testbed_tools(replace(NODES, tools=without)).state is State.LIMITED
    assert nodes.testbed_tools(replace(NODES, tools={**without, "openssh-server": "unpacked"})).state is State.OK
    said = nodes.testbed_tools(replace(NODES, tools=without, can_unpack=False))
    assert (said.state, said.remedy) == (State.MISSING, "as root: apt-get install openssh-server")
    assert nodes.testbed_tools(replace(NODES, tools={**without, "util-linux": ""})).state is State.MISSING


def test_a_client_that_is_only_in_the_testbeds_cache_leads_to_no_real_node() -> None:
    assert nodes.ssh(replace(NODES, tools={"openssh-client": "unpacked"})).state is State.MISSING


def test_packages_for_many_nodes_are_named_one_by_one() -> None:
    assert nodes.clustershell(replace(NODES, clustershell=None)).remedy == "pip install ClusterShell"
    assert nodes.clustershell(replace(NODES, clustershell=None, zmq=None)).remedy == "pip install ClusterShell pyzmq"


def test_a_batch_system_and_its_allocation() -> None:
    inside = {"SLURM_JOB_ID": "42", "SLURM_JOB_NODELIST": "node[01-03]"}
    assert "inside job 42 on node[01-03]" in scheduler.batch_system(replace(SLURM, environment=inside)).says
    pbs = replace(
        SLURM,
        found=frozenset({"qsub", "qstat", "pbsdsh"}),
        environment={"PBS_JOBID": "7.head", "PBS_NODEFILE": "f"},
        node_count=3,
    )
    assert "inside job 7.head on 3 nodes" in scheduler.batch_system(pbs).says
    part = scheduler.batch_system(replace(SLURM, found=frozenset({"srun"})))
    assert (part.state, "no sbatch, squeue, scontrol" in part.says) == (State.LIMITED, True)
    assert scheduler.batch_system(replace(SLURM, found=frozenset())).state is State.MISSING


def test_an_unreadable_child_asks_for_rights_and_an_odd_one_for_a_newer_py_spy() -> None:
    refused = stacks.py_spy(replace(STACKS, failure="Error: Permission denied (os error 13)"))
    assert (refused.state, "ptrace_scope" in refused.remedy) == (State.LIMITED, True)
    odd = stacks.py_spy(replace(STACKS, failure="Error: Failed to find python version"))
    assert (odd.state, odd.remedy) == (State.LIMITED, "pip install --upgrade py-spy")
    assert stacks.py_spy(replace(STACKS, path=None)).state is State.MISSING


def test_an_unknown_machine_and_a_small_python_can_prove_nothing() -> None:
    assert python.machine(replace(PYTHON, machine="riscv64", has_table=False)).state is State.MISSING
    assert python.python(replace(PYTHON, bits=32)).state is State.MISSING
    assert python.python(replace(PYTHON, version=(3, 9, 1))).state is State.MISSING
