"""Which MPI launcher an mpiexec is, and how it starts a job.

A launcher is known by what it says of its version, never by its name: `mpiexec` is five different programs. What is
not known is run in the plain form that the MPI standard suggests, and its output is kept in one piece.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hangprobe.errors.jobs import LauncherBroken, LauncherMissing
from hangprobe.launch.arguments import WRITERS, openmpi_4, plain
from hangprobe.launch.mpijob import CommandLine, MpiJob
from hangprobe.model import Launcher

ANSWER_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Flavour:
    """An mpiexec that was found."""

    path: str
    launcher: Launcher
    version: str = ""
    """As it gives it ("5.0.2"); empty if it gives none."""

    def command_line(self, job: MpiJob) -> CommandLine:
        """Return what starts a job."""
        is_old = self.launcher is Launcher.OPENMPI and self.version.split(".")[0] in {"1", "2", "3", "4"}
        write = openmpi_4 if is_old else WRITERS.get(self.launcher, plain)
        return write(self.path, job)


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
    return identify(path)


def identify(path: str) -> Flavour:
    """Return which launcher an mpiexec is, by what it says of its version. Raises LauncherBroken."""
    try:
        asked = subprocess.run(
            [path, "--version"], capture_output=True, timeout=ANSWER_LIMIT_S, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise LauncherBroken(path, error.strerror or str(error)) from None
    except subprocess.TimeoutExpired:
        return Flavour(path, Launcher.NONE)
    launcher, version = name_of((asked.stdout + asked.stderr).decode(errors="replace"))
    return Flavour(path, launcher, version)


def name_of(version_text: str) -> tuple[Launcher, str]:
    """Return the launcher whose `--version` prints this, and its version."""
    for mark, launcher in _MARKS:
        if mark.search(version_text):
            version = _VERSION.search(version_text)
            return launcher, version[1] if version else ""
    return Launcher.NONE, ""


_VERSION = re.compile(r"\b(\d+\.\d+(?:\.\d+)*)")
_MARKS = (
    (re.compile(r"^Intel\(R\) MPI Library", re.MULTILINE), Launcher.INTEL),  # 2021.18
    (re.compile(r"^HYDRA build details", re.MULTILINE), Launcher.HYDRA),  # MPICH 4.0.2 (Debian 12) and 5.0.2
    (re.compile(r"\((Open MPI|OpenRTE)\)"), Launcher.OPENMPI),  # 5.0.11; 4.1.4 (Debian 12)
    (re.compile(r"\bprterun\b|\bPRRTE\b"), Launcher.OPENMPI),
    (re.compile(r"\bPALS\b"), Launcher.PALS),  # "mpiexec version 1.2.3 (PALS ...)": not at hand here
    (re.compile(r"^slurm(-wlm)? \d", re.MULTILINE), Launcher.SRUN),  # "slurm-wlm 22.05.8"
)
