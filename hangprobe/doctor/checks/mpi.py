"""Whether there is a launcher, and whether it fits the MPI library that Python loads."""

from __future__ import annotations

from hangprobe.doctor.checkup import Said, limited, missing, ok
from hangprobe.doctor.facts import MpiFacts
from hangprobe.model import Launcher

ENABLES = "hangprobe run: reproducers on several ranks"
BRING = "pip install mpich mpi4py, or load your site's MPI module"
NAMES = {Launcher.HYDRA: "MPICH (Hydra)", Launcher.OPENMPI: "Open MPI", Launcher.INTEL: "Intel MPI"}
NAMES |= {Launcher.PALS: "PALS", Launcher.SRUN: "Slurm"}


def mpiexec(facts: MpiFacts) -> Said:
    """Judge the launcher alone."""
    if facts.path is None:
        return missing("not found", ENABLES, BRING)
    if facts.failure:
        return missing(facts.failure, ENABLES, BRING)
    if facts.launcher is Launcher.NONE:
        return limited(
            f"{facts.path}: its --version names no launcher that is known",
            "output apart for each rank, and what this launcher gives its ranks as stdin",
            "name another: hangprobe run --mpiexec COMMAND",
        )
    return ok(f"{NAMES.get(facts.launcher, facts.launcher.value)} {facts.version}: {facts.path}")


def mpi_library(facts: MpiFacts) -> Said:
    """Judge by a tiny job whether the ranks find each other: a launcher of another MPI starts N jobs of size 1."""
    if facts.path is None or facts.failure:
        return missing("no launcher to try it with", ENABLES, BRING)
    if facts.mpi4py is None or facts.job is None:
        return missing("mpi4py is not installed here", ENABLES, "pip install mpi4py, built for your site's MPI")
    job, library = facts.job, f" of {facts.job.library}" if facts.job.library else ""
    if not job.failure:
        return ok(f"a job of {job.asked} ranks{library}, by mpi4py {facts.mpi4py}")
    remedy = (
        "use the mpiexec of the library that mpi4py loads (python -m mpi4py --mpi-lib-version), or install both anew"
    )
    if job.sizes and set(job.sizes) == {1}:
        name = NAMES.get(facts.launcher, "this launcher")
        return missing(f"{len(job.sizes)} jobs of size 1{library}: {name} does not fit the library", ENABLES, remedy)
    return missing(f"a job of {job.asked} ranks failed: {job.failure}", ENABLES, remedy)


CHECKS = (mpiexec, mpi_library)
