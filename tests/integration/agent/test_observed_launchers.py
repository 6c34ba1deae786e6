"""Jobs on several nodes by srun, in an allocation, by GNU parallel, and where only ancestors may read a process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hangprobe.launch.environments import of_mpi
from hangprobe.launch.mpijob import MpiJob
from hangprobe.model import Launcher, Tier, Verdict
from hangprobe.ranksets import unfold
from hangprobe.result import Result
from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.tools import Tool, roots
from scripts.benchmarks import faults_job
from scripts.benchmarks.bed import Bed

from . import after_fork, leaving
from .test_observed_jobs import HANGPROBE, LEAVE_S, OBSERVER, SEEN_S, Nodes, unread, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(100, method="thread")]

REPOSITORY = Path(__file__).parents[3]
HANGING = REPOSITORY / "reproducers/bcast_under_lock.py"
MPICH = of_mpi("mpich").python
PLACES = [f"node{1 + rank // 2:02}" for rank in range(6)]


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    shared = tmp_path_factory.getbasetemp()
    name, shares = f"launchers-{os.getpid()}", (shared, Path.cwd(), Path(sys.prefix))
    with Testbed.up(3, name, shares=shares, has_slurm=True) as bed:
        yield bed


@pytest.fixture
def nodes(testbed: Testbed, tmp_path: Path) -> Iterator[Nodes]:
    found = Nodes(Bed.of(testbed), tmp_path)
    yield found
    left = found.bed.leftovers(LEAVE_S)
    assert not left, (left, found.said())


def watch(nodes: Nodes, *command: str, before: Sequence[str] = (), options: Sequence[str] = ()) -> int:
    """Run a command under watch to its end."""
    line = (*before, *HANGPROBE, "watch", "--out", str(nodes.folder / "out"), *options, "--", *command)
    return nodes.status(nodes.start(*line))


def hung(result: Result) -> set[int]:
    held = [finding for finding in result.findings if finding.tier is Tier.PROVEN]
    return set().union(*(unfold(finding.ranks) for finding in held))


# Slurm


SRUN = ("srun", "-N3", "--ntasks-per-node=2", MPICH)
ENDED_AT_ONCE = ("--on-hang", "kill", "--grace", "0", "--stall-after", "2")


def test_ranks_of_a_healthy_step_are_seen_and_its_status_is_kept(nodes: Nodes) -> None:
    assert watch(nodes, *SRUN, faults_job.__file__, SEEN_S, "7") == 7, nodes.said()
    result = nodes.result()
    assert ([rank.host for rank in result.ranks], result.findings, unread(result)) == (PLACES, (), [])
    assert (result.launcher, result.size) == (Launcher.SRUN, 6)


def test_a_step_that_hangs_is_found_and_ended_on_every_node(nodes: Nodes) -> None:
    assert watch(nodes, *SRUN, str(HANGING), options=ENDED_AT_ONCE) == 124, nodes.said()
    result = nodes.result()
    assert (result.verdict, result.tier, hung(result)) == (Verdict.HANG, Tier.PROVEN, {1, 2, 3, 4, 5})
    assert [rank.host for rank in result.ranks] == PLACES
    assert unread(result) == []


def test_an_mpiexec_of_an_allocation_is_watched_on_all_of_its_nodes(nodes: Nodes) -> None:
    mpiexec = (of_mpi("mpich").flavour.path, "-n", "6", "-ppn", "2", MPICH)
    allocation = ("salloc", "-Q", "-N3")
    assert watch(nodes, *mpiexec, faults_job.__file__, SEEN_S, "7", before=allocation) == 7, nodes.said()
    result = nodes.result()
    assert ([rank.host for rank in result.ranks], result.findings, unread(result)) == (PLACES, (), [])


# GNU parallel


@pytest.fixture
def parallel(tmp_path: Path, testbed: Testbed) -> tuple[str, ...]:
    """Return GNU parallel's words, a job on each node."""
    found = roots((Tool("parallel", ("parallel",)),))
    path = f"{found[0]}/usr/bin/parallel" if found else str(shutil.which("parallel"))
    (tmp_path / "home").mkdir()
    return (path, "--will-cite", "--sshlogin", ",".join(testbed.nodes), "-j1", sys.executable, after_fork.__file__)


def home(nodes: Nodes) -> tuple[str, ...]:
    return ("env", f"PARALLEL_HOME={nodes.folder / 'home'}")


def test_jobs_of_gnu_parallel_are_ranks_wherever_they_run(nodes: Nodes, parallel: tuple[str, ...]) -> None:
    words = (*home(nodes), *HANGPROBE, "watch", "--out", str(nodes.folder / "out"), "--", *parallel)
    process = nodes.start(*words, "{}", "5", str(nodes.folder / "go"), ":::", "1", "2", "3")
    until(lambda: len(nodes.those_with(OBSERVER)) == 3, nodes.said())
    (nodes.folder / "go").touch()
    assert nodes.status(process) == 3, nodes.said()  # as many as have failed: parallel(1), EXIT STATUS
    result = nodes.result()
    assert ([rank.rank for rank in result.ranks], result.launcher) == ([0, 1, 2], Launcher.GNU_PARALLEL)
    assert {rank.host for rank in result.ranks} == {"node01", "node02", "node03"}
    assert (result.findings, unread(result)) == ((), [])


def test_the_one_job_of_gnu_parallel_that_hangs_is_found_and_all_are_ended(
    nodes: Nodes, parallel: tuple[str, ...]
) -> None:
    status = watch(nodes, *parallel, ":::", "1", "2", "3", before=home(nodes), options=("--grace", "0"))
    assert status == 124, nodes.said()
    result = nodes.result()
    assert (result.verdict, result.tier, hung(result)) == (Verdict.HANG, Tier.PROVEN, {2})


# where only ancestors may read a process


def start_below_parents(nodes: Nodes, *command: str) -> subprocess.Popen[bytes]:
    job = MpiJob(6, (MPICH, *command), hosts=nodes.bed.testbed.nodes, ranks_per_node=2, forward=("HANGPROBE_JOB",))
    line = of_mpi("mpich").flavour.command_line(job)
    variables = (f"{name}={value}" for name, value in line.environment.items())
    module = (sys.executable, "-m", "tests.integration.agent.parents", str(nodes.folder))
    return nodes.start("env", f"PYTHONPATH={REPOSITORY}", *variables, *module, *line.arguments)


def test_below_parents_a_hang_is_found_and_ended_on_every_node(nodes: Nodes) -> None:
    assert nodes.status(start_below_parents(nodes, str(HANGING))) == 124, nodes.said()
    result = nodes.result()
    assert (result.verdict, result.tier, hung(result)) == (Verdict.HANG, Tier.PROVEN, {1, 2, 3, 4, 5})
    assert ([rank.host for rank in result.ranks], unread(result)) == (PLACES, [])


def test_below_parents_a_status_is_kept_and_what_ranks_leave_is_ended(nodes: Nodes) -> None:
    assert nodes.status(start_below_parents(nodes, leaving.__file__, "7")) == 7, nodes.said()
    result = nodes.result()
    assert ([rank.host for rank in result.ranks], result.findings, unread(result)) == (PLACES, (), [])


def test_below_parents_the_signal_of_a_rank_reaches_its_launcher(nodes: Nodes) -> None:
    code = "import os, time; time.sleep(1.5); os.kill(os.getpid(), 9)"
    assert nodes.status(start_below_parents(nodes, "-c", code)) != 0
    assert (
        f"EXIT CODE: {signal.SIGKILL:d}" in nodes.said()
    )  # mpiexec's own status depends on who of its proxies is first


def test_below_parents_every_rank_has_one_and_every_node_an_observer(nodes: Nodes) -> None:
    process = start_below_parents(nodes, leaving.__file__, "0")
    until(lambda: len(nodes.those_with("--child")) == 6, nodes.said())
    until(lambda: len(nodes.those_with(OBSERVER)) == 9, nodes.said())
    assert nodes.status(process) == 0, nodes.said()
