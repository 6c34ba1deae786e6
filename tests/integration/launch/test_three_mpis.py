"""The same job under MPICH, Open MPI and Intel MPI: its size, its output, its hang and its cure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hangprobe.launch.environments import MPIS, Environment, of_mpi
from hangprobe.launch.flavours import find_mpiexec
from hangprobe.launch.jobsize import job_size, library_of

from .harness import REPOSITORY

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

HANGPROBE = str(Path(sys.executable).with_name("hangprobe"))
LIMIT_S = 60


@pytest.fixture(scope="module")
def environments() -> dict[str, Environment]:
    """Return every MPI's environment; the first test on a machine makes them."""
    made = subprocess.run([REPOSITORY / "scripts/envs"], capture_output=True, text=True, timeout=170, check=False)
    assert made.returncode == 0, made.stderr
    return {mpi: of_mpi(mpi) for mpi in MPIS}


def run(folder: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """Run `hangprobe run` and return its code, its document ({} if there is none) and what it said."""
    command = [HANGPROBE, "run", *words, "--out", "out", "--json", "doc"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    document = json.loads((folder / "doc").read_text()) if (folder / "doc").exists() else {}
    return done.returncode, document, done.stdout + done.stderr


@pytest.mark.parametrize("mpi", MPIS)
def test_job_has_the_size_asked_for(mpi: str, environments: dict[str, Environment]) -> None:
    environment = environments[mpi]
    size = job_size(environment.flavour, environment.python, 3)
    assert (size.problem, size.sizes) == (None, (3, 3, 3))
    assert library_of(size.library) is environment.flavour.launcher is MPIS[mpi]


def test_launcher_of_another_mpi_starts_jobs_of_one_rank(environments: dict[str, Environment]) -> None:
    size = job_size(environments["mpich"].flavour, environments["openmpi"].python, 3)
    assert size.sizes == (1, 1, 1)
    assert not size.is_right


def test_program_that_is_no_launcher_starts_no_rank() -> None:
    assert job_size(find_mpiexec("true"), sys.executable).problem == "0 of 2 ranks spoke"


@pytest.mark.parametrize("mpi", MPIS)
def test_cured_job_ends_and_every_rank_has_its_output(
    mpi: str, environments: dict[str, Environment], tmp_path: Path
) -> None:
    status, document, said = run(tmp_path, "bcast_under_lock", "--mitigate", "spawn", "--mpi", mpi)
    assert (status, document["launcher"]) == (0, MPIS[mpi].value), said
    for rank in range(4):
        assert (tmp_path / f"out/rank-{rank}.out").read_text().endswith(f"rank {rank} done\n")
    assert {path.suffix for path in (tmp_path / "out").glob("rank*")} <= {".out", ".err", ".marks"}


@pytest.mark.parametrize("program", ["bcast_under_lock", "file_lock", "launcher_stdin"])
@pytest.mark.parametrize("mpi", MPIS)
def test_hang_is_told_as_the_manifest_expects(
    mpi: str, program: str, environments: dict[str, Environment], tmp_path: Path
) -> None:
    words = (program, "--mpi", mpi, "--expect", "--stall-after", "2", "--grace", "1")
    status, document, said = run(tmp_path, *words)
    assert (status, document["verdict"]) == (0, "hang"), said


@pytest.mark.parametrize("mpi", ["mpich", "impi"])
def test_pretended_nodes_have_a_proxy_each(mpi: str, environments: dict[str, Environment], tmp_path: Path) -> None:
    words = ("launcher_stdin", "--mpi", mpi, "--nodes", "2", "--ranks", "5", "--expect", "--stall-after", "2")
    status, document, said = run(tmp_path, *words, "--grace", "0")
    assert (status, document["verdict"]) == (0, "hang"), said
    assert "5 ranks on 2 pretended nodes" in said
    proxies = {
        waker["pid"] for finding in document["findings"] for wait in finding["waits"] for waker in wait["wakers"]
    }
    assert len(proxies) == 2


def test_open_mpi_cannot_pretend_nodes(environments: dict[str, Environment], tmp_path: Path) -> None:
    status, _, said = run(tmp_path, "bcast_under_lock", "--mpi", "openmpi", "--nodes", "2")
    assert status == 125
    assert "hangprobe testbed up 3" in said


def test_launcher_that_does_not_fit_is_an_error(environments: dict[str, Environment], tmp_path: Path) -> None:
    fake = tmp_path / "mpiexec"
    alone = f'{sys.executable} "$@"'
    fake.write_text(f'#!/bin/sh\n[ "$1" = -n ] || exit 0\nshift 3\n{alone} & {alone}; wait\n')
    fake.chmod(0o755)
    status, document, said = run(tmp_path, "bcast_under_lock", "--mitigate", "spawn", "--mpiexec", str(fake))
    assert (status, document) == (125, {})
    assert "2 jobs of one rank instead of one of 4" in said
