"""Every launcher is told the same job in its own words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hangprobe.launch import arguments
from hangprobe.launch.mpijob import MpiJob

JOB = MpiJob(6, ("app", "-v"))
SPREAD = replace(JOB, hosts=("node01", "node02", "node03"), ranks_per_node=2)
FILES = replace(JOB, output=Path("/out"))
LISTED = replace(JOB, host_file=Path("/job/nodes"))


def words(writer: str, job: MpiJob) -> str:
    """Return a launcher's command line as text."""
    return " ".join(getattr(arguments, writer)("mpiexec", job).arguments)


ON_ONE_MACHINE = {
    "hydra": "mpiexec -n 6 app -v",
    "intel": "mpiexec -n 6 app -v",
    "openmpi": "mpiexec --map-by :OVERSUBSCRIBE --bind-to none -n 6 app -v",
    "openmpi_4": "mpiexec --map-by :OVERSUBSCRIBE --bind-to none -n 6 app -v",
    "pals": "mpiexec --cpu-bind none -n 6 app -v",
    "srun": "mpiexec --overcommit --cpu-bind none --ntasks 6 app -v",
}
TWO_A_NODE = {
    "hydra": "mpiexec -hosts node01,node02,node03 -ppn 2 -n 6 app -v",
    "intel": "mpiexec -hosts node01,node02,node03 -ppn 2 -n 6 app -v",
    "openmpi": "mpiexec --map-by ppr:2:node:OVERSUBSCRIBE --bind-to none --host node01:2,node02:2,node03:2 -x PATH"
    " --prtemca plm_ssh_agent ssh -n 6 app -v",
    "openmpi_4": "mpiexec --map-by ppr:2:node:OVERSUBSCRIBE --bind-to none --host node01:2,node02:2,node03:2 -x PATH"
    " --mca plm_rsh_agent ssh -n 6 app -v",
    "pals": "mpiexec --ppn 2 --cpu-bind none --hostlist node01,node02,node03 -n 6 app -v",
    "srun": "mpiexec --nodes 3 --ntasks-per-node 2 --overcommit --cpu-bind none --nodelist node01,node02,node03"
    " --ntasks 6 app -v",
}
FROM_A_FILE = {
    "hydra": "mpiexec -f /job/nodes -n 6 app -v",
    "intel": "mpiexec -f /job/nodes -n 6 app -v",
    "openmpi": "mpiexec --map-by :OVERSUBSCRIBE --bind-to none --hostfile /job/nodes -x PATH"
    " --prtemca plm_ssh_agent ssh -n 6 app -v",
    "pals": "mpiexec --cpu-bind none --hostfile /job/nodes -n 6 app -v",
    "srun": "mpiexec --overcommit --cpu-bind none --nodelist /job/nodes --ntasks 6 app -v",
}
A_FILE_A_RANK = {
    "hydra": "-outfile-pattern /out/rank-%r.out -errfile-pattern /out/rank-%r.err",
    "intel": "-outfile-pattern /out/rank-%r.out -errfile-pattern /out/rank-%r.err",
    "openmpi": "--output file=/out/rank:nocopy",
    "srun": "--output /out/rank-%t.out --error /out/rank-%t.err",
}
STDIN_FOR_ALL = {"hydra": "-s all", "intel": "-s all", "openmpi": "--stdin all", "srun": "--input all"}


@pytest.mark.parametrize("writer", ON_ONE_MACHINE)
def test_job_on_one_machine(writer: str) -> None:
    assert words(writer, JOB) == ON_ONE_MACHINE[writer]


@pytest.mark.parametrize("writer", TWO_A_NODE)
def test_ranks_are_spread_over_named_nodes(writer: str) -> None:
    assert words(writer, SPREAD) == TWO_A_NODE[writer]


@pytest.mark.parametrize("writer", FROM_A_FILE)
def test_nodes_may_stand_in_a_file(writer: str) -> None:
    assert words(writer, LISTED) == FROM_A_FILE[writer]


@pytest.mark.parametrize("writer", A_FILE_A_RANK)
def test_every_rank_has_files_of_its_own(writer: str) -> None:
    assert A_FILE_A_RANK[writer] in words(writer, FILES)


@pytest.mark.parametrize("writer", STDIN_FOR_ALL)
def test_standard_input_goes_to_the_ranks_that_are_named(writer: str) -> None:
    assert STDIN_FOR_ALL[writer] in words(writer, replace(JOB, stdin="all"))


def test_slots_are_enough_where_ranks_do_not_divide_evenly() -> None:
    assert "--host a:3,b:3" in words("openmpi", replace(JOB, ranks=5, hosts=("a", "b")))


def test_variables_are_named_to_open_mpi_where_ranks_are_on_other_nodes() -> None:
    assert "-x PATH -x HANGPROBE_MARKS" in words("openmpi", replace(SPREAD, forward=("HANGPROBE_MARKS",)))
    assert "-x" not in words("openmpi", replace(JOB, forward=("HANGPROBE_MARKS",))).split()


def test_open_mpi_runs_as_root_only_where_told_so() -> None:
    assert dict(arguments.openmpi("mpiexec", JOB).environment) == {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }


def test_intel_mpi_uses_tcp_between_nodes_and_memory_on_one() -> None:
    assert arguments.intel("mpiexec", JOB).environment["I_MPI_FABRICS"] == "shm"
    assert arguments.intel("mpiexec", SPREAD).environment["FI_PROVIDER"] == "tcp"


def test_what_the_user_has_set_is_left_alone() -> None:
    line = arguments.intel("mpiexec", JOB)
    assert line.unset({"I_MPI_FABRICS": "ofi"}) == {"I_MPI_PIN": "off"}


def test_pretended_nodes_need_no_ssh() -> None:
    pretended = replace(SPREAD, stand_in=Path("/tmp/here"))
    assert words("hydra", pretended).startswith("mpiexec -launcher fork -hosts node01,")
    assert words("intel", pretended).startswith("mpiexec -launcher ssh -launcher-exec /tmp/here -hosts node01,")
