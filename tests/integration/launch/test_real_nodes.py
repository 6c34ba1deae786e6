"""Jobs on several real nodes (of a testbed), as `hangprobe run` starts them: who runs where, and what is shared."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hangprobe.cli.jobs import Job, Start
from hangprobe.launch.environments import MPIS, of_mpi
from hangprobe.launch.insertion import insert
from hangprobe.model import Launcher
from hangprobe.programs import ProgramFile, load
from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.layout import LOGIN

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120, method="thread")]

LIMIT_S = 60
WHERE = Path(__file__).with_name("where.py")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(scope="module")
def bed(shared: Path) -> Iterator[Testbed]:
    shares = (shared, Path.cwd(), Path(sys.prefix))
    with Testbed.up(3, f"run-{os.getpid()}", shares=shares, has_slurm=True) as bed:
        yield bed


def on_login(bed: Testbed, *words: str, **variables: str) -> tuple[int, str]:
    """Run a command on the login node; return its status and all that it said."""
    done = subprocess.run(
        bed.command(LOGIN, words),
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def said(folder: Path) -> dict[int, list[str]]:
    """Return what every rank wrote: host, size, prefix, job."""
    return {int(path.name.removeprefix("at-")): path.read_text().split() for path in folder.glob("at-*")}


def where_job() -> Job:
    """Return a job of the program that writes where it is."""
    variant = next(iter(load().values())).variant(None)
    return Job(ProgramFile("where", WHERE, "control", "where ranks are", 6, None, ()), variant, None, 1)


@pytest.mark.parametrize(
    ("ranks", "hosts"), [(6, "node01 node01 node02 node02 node03 node03"), (5, "node01 node01 node02 node02 node03")]
)
@pytest.mark.parametrize("mpi", MPIS)
def test_ranks_fill_the_nodes_in_order(bed: Testbed, shared: Path, mpi: str, ranks: int, hosts: str) -> None:
    folder = shared / f"{mpi}-{ranks}"
    folder.mkdir()
    start = Start(of_mpi(mpi), ranks, 3, bed.nodes)
    line = start.command_line(where_job(), folder, folder, prefix=("env", "PUT_BEFORE=yes"))
    variables = {**line.environment, "HANGPROBE_MARKS": str(folder), "HANGPROBE_JOB": "tag"}
    status, text = on_login(bed, *line.arguments, **variables)
    assert status == 0, text
    assert said(folder) == {rank: [host, str(ranks), "yes", "tag"] for rank, host in enumerate(hosts.split())}


@pytest.mark.parametrize("mpi", MPIS)
def test_run_takes_the_nodes_that_the_testbed_offers(bed: Testbed, shared: Path, mpi: str) -> None:
    out = shared / f"run-{mpi}"
    words = ("run", "bcast_under_lock", "--mitigate", "spawn", "--nodes", "3", "--ranks", "6", "--mpi", mpi)
    status, text = on_login(bed, sys.executable, "-m", "hangprobe", *words, "--out", str(out))
    assert (status, "6 ranks on 3 nodes," in text) == (0, True), text
    assert len(list(out.glob("rank-*.marks"))) == 6
    for rank in range(6):
        assert (out / f"rank-{rank}.out").read_text().endswith(f"rank {rank} done\n")


def test_folder_that_the_nodes_do_not_see_is_named_with_the_remedy(bed: Testbed) -> None:
    words = ("run", "bcast_under_lock", "--mitigate", "spawn", "--hosts", "node[02-03]", "--out", "/tmp/of-login")
    status, text = on_login(bed, sys.executable, "-m", "hangprobe", *words)
    assert status == 125
    assert "0 of 4 ranks left marks: not every node sees /tmp/of-login" in text
    assert "--out DIR" in text


def test_prefix_reaches_every_task_of_srun(bed: Testbed, shared: Path) -> None:
    folder = shared / "srun"
    folder.mkdir()
    app = (of_mpi("mpich").python, str(WHERE))
    command = ("srun", "-N3", "--ntasks-per-node=2", "-l", "--mpi=pmi2", "--export", "ALL", *app)
    line = insert(command, Launcher.SRUN, ("env", "PUT_BEFORE=yes"), {})
    assert line is not None
    status, text = on_login(bed, *line, HANGPROBE_MARKS=str(folder), HANGPROBE_JOB="tag")
    assert status == 0, text
    assert said(folder) == {rank: [f"node0{1 + rank // 2}", "6", "yes", "tag"] for rank in range(6)}
