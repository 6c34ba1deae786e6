"""A job may leave this node unless its command line or its environment says that it stays."""

from __future__ import annotations

import os
import shlex

import pytest

from hangprobe.launch.spanning import read_file, spans_nodes
from hangprobe.model import Launcher

HYDRA, INTEL, OPENMPI = Launcher.HYDRA, Launcher.INTEL, Launcher.OPENMPI
PALS, SRUN, PARALLEL = Launcher.PALS, Launcher.SRUN, Launcher.GNU_PARALLEL
HERE = "node01.site"
FILES = {
    "one": "# the job's nodes\nnode01 slots=4\nnode01.site:2\n\n",
    "two": "node01\nnode02\n",
    "logins": "4/me@node01\n:\n",
}
STAYS = [
    (HYDRA, "mpiexec -n 4 app", {}),
    (HYDRA, "mpiexec -hosts node01,localhost:2 app", {"PBS_NODEFILE": "two"}),
    (HYDRA, "mpiexec -f one app node02", {}),
    (HYDRA, "mpiexec -launcher fork -hosts a,b app", {}),
    (HYDRA, "mpiexec app", {"PBS_NODEFILE": "one"}),
    (HYDRA, "mpiexec app", {"SLURM_JOB_NODELIST": "node01"}),
    (OPENMPI, "mpirun --host node01:4 app", {}),
    (OPENMPI, "mpirun --mca btl tcp app", {"I_MPI_HYDRA_HOST_FILE": "two"}),
    (SRUN, "srun app", {"SLURM_JOB_NODELIST": "node01"}),
    (PALS, "mpiexec app", {"PBS_NODEFILE": "one"}),
    (PARALLEL, "parallel app ::: a", {"PBS_NODEFILE": "two"}),
    (PARALLEL, "parallel -S : --slf logins app ::: a", {}),
    (Launcher.NONE, "python app.py", {"PBS_NODEFILE": "two"}),
]
LEAVES = [
    (HYDRA, "mpiexec -hosts node01,node02 app", {}),
    (HYDRA, "mpiexec -n 1 app : -host node02 app", {}),
    (HYDRA, "mpiexec -f two app", {"PBS_NODEFILE": "one"}),
    (HYDRA, "mpiexec -machinefile missing app", {}),
    (HYDRA, "mpiexec app", {"PBS_NODEFILE": "two"}),
    (HYDRA, "mpiexec app", {"HYDRA_HOST_FILE": "two"}),
    (HYDRA, "mpiexec app", {"SLURM_JOB_NODELIST": "node[01-03]"}),
    (HYDRA, "mpiexec -unheard-of app", {}),
    (INTEL, "mpiexec app", {"I_MPI_HYDRA_HOST_FILE": "two"}),
    (INTEL, "mpiexec -launcher fork -hosts a,b app", {}),
    (INTEL, "mpiexec -hosts-group node[01-02] app", {}),
    (OPENMPI, "mpirun -H node02 app", {}),
    (OPENMPI, "mpirun -H +n1 app", {}),
    (OPENMPI, "mpirun --mca orte_default_hostfile two app", {}),
    (OPENMPI, "mpirun app", {"PRTE_MCA_prte_default_hostfile": "two"}),
    (SRUN, "srun app", {}),
    (SRUN, "srun -n1 app", {"SLURM_JOB_NODELIST": "node[01-02]"}),
    (PALS, "mpiexec app", {}),
    (PARALLEL, "parallel -S 8/node02,: app ::: a", {}),
    (PARALLEL, "parallel --slf .. app ::: a", {}),
    (PARALLEL, "parallel app ::: a", {"PARALLEL": "--sshloginfile two"}),
    (PARALLEL, "parallel app ::: a", {"PARALLEL": "'"}),
]


@pytest.mark.parametrize(("launcher", "line", "variables"), STAYS, ids=[f"{line} {more}" for _, line, more in STAYS])
def test_job_stays_here(launcher: Launcher, line: str, variables: dict[str, str]) -> None:
    assert not spans_nodes(shlex.split(line), launcher, variables, HERE, FILES.get)


@pytest.mark.parametrize(("launcher", "line", "variables"), LEAVES, ids=[f"{line} {more}" for _, line, more in LEAVES])
def test_job_may_leave(launcher: Launcher, line: str, variables: dict[str, str]) -> None:
    assert spans_nodes(shlex.split(line), launcher, variables, HERE, FILES.get)


def test_host_file_that_cannot_be_read_says_nothing() -> None:
    assert read_file("/proc/self") is None
    assert read_file("/proc/self/comm")


def test_host_file_that_is_a_pipe_is_left_for_the_launcher() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"node01\n")
    os.close(writer)
    assert read_file(f"/dev/fd/{reader}") is None
    assert os.read(reader, 100) == b"node01\n"
    os.close(reader)
