"""The launchers that are compared: their names, and what is built for each.

HTEX starts one manager a node; a launcher of Parsl writes the shell lines that do it. Which options make that *one a
node* depends on the MPI: without them Intel MPI and Open MPI put two managers on the first of three nodes and none on
the last, with no error. Stand-alone (Python 3.8): the subject's driver builds by this table, hangprobe lists it.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

AS_CONFIGURED = "as-configured"
MPIS = ("mpich", "openmpi", "impi", "pals", "path")
_SHIPPED_ENV = "parallel --env _ "
_REPAIRED_ENV = "parallel --env PATH --env JOBNAME --halt now,fail=1 "
"""PATH, because a login shell's is not the job's; JOBNAME, because the script's name has it; --halt, because a node
whose manager could not be started should end the block with its reason and not be waited for."""


class Launcher(NamedTuple):
    """One way to start a manager on each node."""

    name: str
    says: str
    parsl: str
    """The class of parsl.launchers."""
    program: str
    """What must be on the block's PATH."""
    is_repaired: bool = False
    is_single: bool = False
    """It starts managers where the block's script runs, on no other node."""


TABLE = {
    each.name: each
    for each in (
        Launcher(
            "mpiexec",
            "MpiExecLauncher as shipped, with the options by which this MPI starts one manager a node",
            "MpiExecLauncher",
            "mpiexec",
        ),
        Launcher(
            "gnu-parallel",
            "GnuParallelLauncher as shipped: needs ~/.parallel/ignored_vars, and fails in its own words without",
            "GnuParallelLauncher",
            "parallel",
        ),
        Launcher(
            "gnu-parallel-repaired",
            "GnuParallelLauncher with --env PATH --env JOBNAME --halt now,fail=1 instead of --env _",
            "GnuParallelLauncher",
            "parallel",
            is_repaired=True,
        ),
        Launcher("mpirun", "MpiRunLauncher with the node file and one manager a node", "MpiRunLauncher", "mpirun"),
        Launcher("srun", "SrunLauncher with one manager a node; inside a Slurm allocation", "SrunLauncher", "srun"),
        Launcher(
            "single-node",
            "SingleNodeLauncher: one manager, where the driver runs",
            "SingleNodeLauncher",
            "bash",
            is_single=True,
        ),
    )
}

# one manager a node, by MPI: FACTS of the launchers, measured with the MPICH 5.0.2, Open MPI 5.0.11 and Intel MPI
# 2021.18 wheels; PALS by its manual (mpiexec(1) of PALS: --ppn, --depth, --cpu-bind; it has no --bind-to)
_ONE_A_NODE = {"openmpi": "--map-by ppr:1:node -x PATH", "impi": "-ppn 1", "pals": "--depth=64 --ppn 1"}


def arguments(name: str, mpi: str) -> dict[str, str]:
    """Return the keyword arguments for the launcher's class of Parsl; raises KeyError for a name that is unknown."""
    overrides = _ONE_A_NODE.get(mpi, "")
    if name == "mpiexec":
        said = {"overrides": overrides, "bind_cmd": "--cpu-bind" if mpi == "pals" else ""}
        return {key: value for key, value in said.items() if value}
    if name == "mpirun":  # it names no node file by itself
        return {"overrides": f"{overrides} --hostfile $PBS_NODEFILE".strip()}
    if name == "srun":
        return {"overrides": "--ntasks-per-node=1"}
    if TABLE[name]:
        return {}
    raise KeyError(name)


def variables(mpi: str, is_root: bool) -> dict[str, str]:
    """Return what must be in the block's environment for this MPI."""
    if mpi == "openmpi" and is_root:
        return {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return {}


def as_code(name: str, mpi: str) -> str:
    """Return the launcher as it would be written in a configuration, for reports."""
    words = ", ".join(f"{key}={value!r}" for key, value in arguments(name, mpi).items())
    return f"{TABLE[name].parsl}({words})"


def repair(script: str) -> str:
    """Return GnuParallelLauncher's shell lines with its environment named instead of recorded.

    Raises ValueError if they are not as known (Parsl 1.2.0 to 2026.10.26): nothing would be repaired.
    """
    if _SHIPPED_ENV not in script:
        raise ValueError(f"GnuParallelLauncher writes no '{_SHIPPED_ENV.strip()}'")
    return script.replace(_SHIPPED_ENV, _REPAIRED_ENV)


def build(name: str, mpi: str) -> Any:
    """Return the launcher, an object of the Parsl that is installed here."""
    launcher = TABLE[name]
    shipped: Any = getattr(importlib.import_module("parsl.launchers"), launcher.parsl)
    if not launcher.is_repaired:
        return shipped(**arguments(name, mpi))

    class RepairedGnuParallelLauncher(shipped):  # type: ignore[misc]  # the base is the subject's own
        """GnuParallelLauncher that names the variables it sends instead of asking for a recorded list."""

        def __call__(self, *words: Any, **named: Any) -> str:
            """Return the block's shell lines."""
            return repair(super().__call__(*words, **named))

    return RepairedGnuParallelLauncher()
