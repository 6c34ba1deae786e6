"""The launcher, the library, and whether the two fit: a tiny job says."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

from hangprobe.doctor.asking import version_of
from hangprobe.doctor.facts import JobFacts, MpiFacts
from hangprobe.errors.base import HangprobeError
from hangprobe.errors.jobs import LauncherMissing
from hangprobe.launch.flavours import Flavour, find_mpiexec
from hangprobe.launch.jobsize import job_size
from hangprobe.model import Launcher

RANKS = 2
WORDS_MAX = 200
"""Of what a launcher says of a failure: three lines of a terminal."""
JOB_LIMIT_S = 8.0
"""A job of two ranks takes 0.5 s, on an overloaded login node a few seconds."""


def mpi_facts(name: str | None = None) -> MpiFacts:
    """Return which launcher `run --mpiexec NAME` would take, and which mpi4py."""
    mpi4py = version_of("mpi4py")
    try:
        flavour = find_mpiexec(name)
    except LauncherMissing:
        return MpiFacts(None, Launcher.NONE, "", "", mpi4py, None)
    except HangprobeError as error:
        return MpiFacts(name or "mpiexec", Launcher.NONE, "", str(error), mpi4py, None)
    return MpiFacts(flavour.path, flavour.launcher, flavour.version, "", mpi4py, None)


def with_job(facts: MpiFacts) -> MpiFacts:
    """Return the same with what a tiny job said, if one can be started; for the main thread alone (launch.session)."""
    if facts.path is None or facts.failure or facts.mpi4py is None:
        return facts
    try:
        size = job_size(Flavour(facts.path, facts.launcher, facts.version), sys.executable, RANKS, JOB_LIMIT_S)
    except HangprobeError as error:
        return replace(facts, job=JobFacts(RANKS, (), "", str(error)))
    return replace(facts, job=JobFacts(RANKS, size.sizes, short(size.library), plain(size.problem or "")))


def plain(words: str) -> str:
    """Return a launcher's words without their rules, and not too many of them."""
    words = re.sub(r"-{4,}\s*", "", words)
    return words if len(words) <= WORDS_MAX else f"{words[:WORDS_MAX]} ..."


def short(library: str) -> str:
    """Return what a library says of itself, up to its version: `Open MPI v5.0.11`, `MPICH 5.0.2`."""
    return re.sub(r"(.*?\d+(\.\d+)+).*", r"\1", library).replace(" Version:", "")
