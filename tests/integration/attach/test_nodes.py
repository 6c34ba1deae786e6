"""Hung jobs on several real nodes (of a testbed), started over ssh or by Slurm, that nobody watched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hangprobe.launch.environments import MPIS, of_mpi
from hangprobe.launch.mpijob import MpiJob
from hangprobe.model import RankState, Tier, Verdict
from hangprobe.programs import load
from hangprobe.record import decode
from hangprobe.result import Result
from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.layout import LOGIN
from scripts.benchmarks.jobs import marks

RANKS, PER_NODE = 6, 2
WINDOW_S = 2.0

pytestmark = [pytest.mark.integration, pytest.mark.timeout(100, method="thread")]


@contextmanager
def nodes(folder: Path, has_slurm: bool = False) -> Iterator[Testbed]:
    shares = (folder, Path.cwd(), Path(sys.prefix))
    with Testbed.up(3, f"attach-{os.getpid()}", shares=shares, has_slurm=has_slurm) as bed:
        yield bed


@contextmanager
def running(bed: Testbed, folder: Path, command: Sequence[str], ranks: int = RANKS) -> Iterator[None]:
    """Start a command on the login node, and wait until its ranks have begun and do no more for a while."""
    variables = {**os.environ, "HANGPROBE_MARKS": str(folder)}
    with (folder / "job.out").open("wb") as output:
        process = subprocess.Popen(
            bed.command(LOGIN, command), env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        until_s = time.monotonic() + 60.0
        while time.monotonic() < until_s:
            rows = [row for of_rank in marks(folder).values() for row in of_rank]
            if len(marks(folder)) == ranks and time.monotonic() - max(row[0] for row in rows) > 1.0 + WINDOW_S:
                break
            time.sleep(0.05)
        else:
            raise AssertionError((folder / "job.out").read_text(errors="replace"))
        yield
    finally:
        bed.down()
        process.wait(timeout=20)


def job(bed: Testbed, mpi: str, program: str) -> tuple[str, ...]:
    environment = of_mpi(mpi)
    command = (environment.python, str(load()[program].path))
    wanted = MpiJob(RANKS, command, hosts=bed.nodes, ranks_per_node=PER_NODE, forward=("HANGPROBE_MARKS",))
    line = environment.flavour.command_line(wanted)
    return ("env", *(f"{name}={value}" for name, value in line.environment.items()), *line.arguments)


def attached(bed: Testbed, folder: Path, *options: str) -> tuple[int, Result, float]:
    """Return the exit code, the document and the seconds of one look from the login node."""
    target = folder / "result.json"
    look = [sys.executable, "-m", "hangprobe", "attach", *options, "--stall-after", f"{WINDOW_S:g}"]
    began_s = time.monotonic()
    done = subprocess.run(
        bed.command(LOGIN, [*look, "--json", str(target)]), capture_output=True, timeout=60, check=False, text=True
    )
    assert target.exists(), done.stderr
    return done.returncode, decode(target.read_bytes().splitlines()[0]), time.monotonic() - began_s


@pytest.mark.parametrize(
    ("mpi", "program", "hung", "tier"),
    [
        ("mpich", "bcast_under_lock", {1, 2, 3, 4, 5}, Tier.PROVEN),
        ("openmpi", "file_lock", {1, 3, 5}, Tier.LEAK),
        ("impi", "launcher_stdin", {1, 2, 3, 4, 5}, Tier.LEAK),
        ("openmpi", "launcher_stdin", {0}, Tier.LEAK),
    ],
)
def test_a_hung_job_over_ssh_is_told_with_its_ranks_and_hosts(
    tmp_path: Path, mpi: str, program: str, hung: set[int], tier: Tier
) -> None:
    with nodes(tmp_path) as bed, running(bed, tmp_path, job(bed, mpi, program)):
        status, result, _ = attached(bed, tmp_path, "--hosts", "node[01-03]")
    assert (status, result.verdict, result.tier, result.launcher) == (124, Verdict.HANG, tier, MPIS[mpi])
    assert {rank.rank for rank in result.ranks if rank.state.value == tier.value} == hung
    assert [rank.host for rank in result.ranks] == ["node01", "node01", "node02", "node02", "node03", "node03"]
    assert result.size == RANKS


def test_a_node_that_is_frozen_and_cut_off_is_named_and_the_rest_is_judged(tmp_path: Path) -> None:
    deadline_s = 6.0
    with nodes(tmp_path) as bed, running(bed, tmp_path, job(bed, "mpich", "bcast_under_lock")):
        stopped = freeze(bed, "node03")
        subprocess.run(bed.administer(["ip", "link", "set", "v3", "down"]), check=True, timeout=10)
        try:
            status, result, took_s = attached(bed, tmp_path, "--hosts", "node[01-03]", "--deadline", f"{deadline_s:g}")
        finally:
            for pid in stopped:
                with suppress(ProcessLookupError):  # what was ending when it was to be stopped has ended
                    os.kill(pid, signal.SIGCONT)
    assert (status, result.verdict) == (124, Verdict.HANG)
    assert {rank.rank: rank.state for rank in result.ranks if rank.rank} == dict.fromkeys((1, 2, 3), RankState.PROVEN)
    assert {each.what for each in result.unreadable} >= {"node03", "ranks 4-5"}
    assert took_s < deadline_s + 5.0  # not a speed: whoever waits for the node waits for ever


def freeze(bed: Testbed, node: str) -> list[int]:
    """Stop every process of a node."""
    asked = bed.command(node, ["readlink", "/proc/self/ns/uts"])
    name = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    found = []
    for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        try:
            if os.readlink(f"/proc/{pid}/ns/uts") == name:
                os.kill(pid, signal.SIGSTOP)
                found.append(pid)
        except OSError:
            continue
    assert found
    return found


def test_a_job_of_slurm_is_found_by_its_id(tmp_path: Path) -> None:
    python = of_mpi("mpich").python
    program = str(load()["bcast_under_lock"].path)
    with nodes(tmp_path, has_slurm=True) as bed:
        command = ("srun", "-N3", "--ntasks-per-node=2", "--mpi=pmi2", "--job-name=hung", python, program)
        with running(bed, tmp_path, command):
            asked = bed.command(LOGIN, ["squeue", "-h", "--name=hung", "-o", "%i"])
            number = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
            status, result, _ = attached(bed, tmp_path, "--job", number)
    assert (status, result.verdict, result.tier) == (124, Verdict.HANG, Tier.PROVEN)
    assert {rank.rank: rank.host for rank in result.ranks} == {rank: f"node0{1 + rank // 2}" for rank in range(6)}
    assert {rank.rank for rank in result.ranks if rank.state is RankState.PROVEN} == {1, 2, 3, 4, 5}


def test_many_nodes_are_reached_by_way_of_gateways_that_keep_no_log(tmp_path: Path) -> None:
    script = (
        "import sys; from hangprobe.agent.look.fanout import by_ssh; print(by_ssh(sys.argv[1:], ['hostname'], 20.0, 4))"
    )
    with Testbed.up(5, f"gateways-{os.getpid()}", shares=(tmp_path, Path.cwd(), Path(sys.prefix))) as bed:
        asked = bed.command(LOGIN, [sys.executable, "-c", script, *bed.nodes])
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
        logs = [
            subprocess.run(
                bed.command(node, ["sh", "-c", "ls /tmp"]), capture_output=True, timeout=20, check=True
            ).stdout
            for node in bed.nodes[:2]
        ]
    assert done.stdout.strip() == str({node: node.encode() for node in bed.nodes}), done.stderr
    assert not any(b".gw.log" in listing for listing in logs)
