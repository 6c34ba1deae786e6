"""Where a campaign is run: versions of everything that may matter, nodes, git state.

Each program is asked for its version with a deadline; one that gives none is recorded as such, never guessed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata

from hangprobe import __version__
from hangprobe.ensemble.records import Environment
from hangprobe.errors.base import HangprobeError
from hangprobe.launch import gnuparallel
from hangprobe.launch.environments import MPIS, of_mpi
from hangprobe.launch.flavours import find_mpiexec

ANSWER_LIMIT_S = 10.0
"""A Perl program on a loaded login node, its file system cold."""
PACKAGES = ("parsl", "mpi4py", "scipy")
UNKNOWN = "unknown"
NOT_FOUND = "not found"

Ask = Callable[[Sequence[str]], str | None]
"""Runs a program to its end and returns what it wrote to stdout; None if it failed, or was late."""


def environment(site: str, hosts: Sequence[str], mpis: Sequence[str], ask: Ask | None = None) -> Environment:
    """Return where this process is."""
    ask = ask or _ask
    versions = {
        "hangprobe": __version__,
        "python": platform.python_version(),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()) or UNKNOWN,
        **{name: version for name in PACKAGES if (version := _installed(name)) is not None},
        "GNU parallel": _parallel(),
        **{mpi: _mpi(mpi) for mpi in mpis},
    }
    return Environment(
        versions=versions,
        hosts=tuple(hosts),
        processors=len(os.sched_getaffinity(0)),
        site=site,
        git=_git(ask),
    )


def site_of(variables: Mapping[str, str]) -> str:
    """Return what kind of place an environment is in, by what its batch system sets: `pbs`, `slurm`, else `local`."""
    if variables.get("PBS_NODEFILE"):
        return "pbs"
    return "slurm" if variables.get("SLURM_JOB_NODELIST") else "local"


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _parallel() -> str:
    found = gnuparallel.find()
    return found.version if found is not None else NOT_FOUND


def _mpi(mpi: str) -> str:
    try:
        flavour = of_mpi(mpi).flavour if mpi in MPIS else find_mpiexec(shutil.which("mpiexec") or "mpiexec")
    except HangprobeError:
        return NOT_FOUND
    return f"{flavour.launcher} {flavour.version or UNKNOWN}"


def _git(ask: Ask) -> str | None:
    said = ask(("git", "describe", "--always", "--dirty"))
    return said.strip() or None if said is not None else None


def _ask(command: Sequence[str]) -> str | None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=ANSWER_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
