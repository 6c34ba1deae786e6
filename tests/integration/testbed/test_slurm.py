"""A testbed with Slurm runs Slurm's jobs."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.layout import HOME, LOGIN

from .harness import left_of, own_name, say, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Testbed]:
    name = own_name("slurm")
    with Testbed.up(3, name, has_slurm=True) as bed:
        yield bed
    assert left_of(name, bed.state) == []


def test_srun_reaches_every_node(cluster: Testbed) -> None:
    assert sorted(say(cluster, LOGIN, "srun", "-N3", "hostname").split()) == ["node01", "node02", "node03"]


def test_its_controllers_run_on_login_and_its_daemons_on_nodes(cluster: Testbed) -> None:
    seen = {place: set(say(cluster, place, "ps", "-e", "-o", "comm=").split()) for place in (LOGIN, "node01")}
    daemons = {"munged", "slurmctld", "slurmd"}
    assert {place: names & daemons for place, names in seen.items()} == {
        LOGIN: {"munged", "slurmctld"},
        "node01": {"slurmd"},
    }


def test_srun_starts_the_ranks_of_an_mpi_job(cluster: Testbed) -> None:
    code = "from mpi4py import MPI as m; w = m.COMM_WORLD; n = w.gather(m.Get_processor_name()); w.rank or print(*n)"
    words = ["srun", "-N3", "--ntasks-per-node=2", sys.executable, "-c", code]
    assert say(cluster, LOGIN, *words).split() == [f"node0{number}" for number in (1, 1, 2, 2, 3, 3)]


def test_sbatch_runs_a_script_on_the_nodes_it_is_given(cluster: Testbed) -> None:
    script = "#!/bin/sh\nscontrol show hostnames $SLURM_JOB_NODELIST\n"
    job = say(cluster, LOGIN, "sbatch", "--parsable", "-N2", f"--output={HOME}/out", stdin=script)
    wait_until(
        lambda: say(cluster, LOGIN, "squeue", "--noheader", f"--jobs={job}", "--states=all").split()[4] == "CD", "job"
    )
    assert (cluster.folder / "home/out").read_text() == "node01\nnode02\n"
