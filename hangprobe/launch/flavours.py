"""Which MPI launcher this is, and its argument list for a job.

One class a launcher: `arguments` is a method from a job to a list. What is not known is run in the plain form that the
MPI standard suggests (`mpiexec -n N`), and its output is kept in one piece.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hangprobe.errors import LauncherBroken, LauncherMissing
from hangprobe.model import Launcher


@dataclass(frozen=True, slots=True)
class Flavour:
    """An mpiexec that was found."""

    path: str
    launcher: Launcher

    def arguments(self, ranks: int, command: tuple[str, ...], output: Path | None) -> tuple[str, ...]:
        """Return the whole command line; with `output` each rank writes to rank-N.out and rank-N.err there."""
        split: tuple[str, ...] = ()
        if output is not None and self.launcher in {Launcher.HYDRA, Launcher.INTEL}:
            # Hydra, src/pm/hydra/mpiexec: %r is the rank
            split = ("-outfile-pattern", f"{output}/rank-%r.out", "-errfile-pattern", f"{output}/rank-%r.err")
        return (self.path, *split, "-n", str(ranks), *command)


def find_mpiexec(name: str | None = None) -> Flavour:
    """Return the mpiexec of this Python's environment, else the first one on PATH. Raises LauncherMissing.

    The environment's own comes first because its mpi4py was installed to fit it.
    """
    beside = Path(sys.executable).with_name("mpiexec")
    if name is not None:
        path = shutil.which(name)
    else:
        path = str(beside) if os.access(beside, os.X_OK) else shutil.which("mpiexec")
    if path is None:
        raise LauncherMissing(name or "mpiexec")
    return Flavour(path, identify(path))


def identify(path: str) -> Launcher:
    """Return which launcher an mpiexec is, by what it says of its version. Raises LauncherBroken."""
    try:
        asked = subprocess.run(
            [path, "--version"], capture_output=True, timeout=10, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise LauncherBroken(path, error.strerror or str(error)) from None
    except subprocess.TimeoutExpired:
        return Launcher.NONE
    return name_of((asked.stdout + asked.stderr).decode(errors="replace"))


def name_of(version_text: str) -> Launcher:
    """Return the launcher whose `--version` prints this."""
    for mark, launcher in _MARKS:
        if mark in version_text:
            return launcher
    return Launcher.NONE


_MARKS = (
    ("Intel(R) MPI", Launcher.INTEL),
    ("HYDRA", Launcher.HYDRA),
    ("Open MPI", Launcher.OPENMPI),
    ("OpenRTE", Launcher.OPENMPI),
    ("PALS", Launcher.PALS),
    ("slurm", Launcher.SRUN),
)
