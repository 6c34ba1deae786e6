"""Which batch system leads to the nodes of a job."""

from __future__ import annotations

from hangprobe.doctor.checkup import Said, limited, missing, ok
from hangprobe.doctor.facts import SchedulerFacts

SYSTEMS = {"PBS": ("qsub", "qstat", "pbsdsh"), "Slurm": ("sbatch", "srun", "squeue", "scontrol")}
REMEDY = "run it on your site's login node, or load its module; to try one: hangprobe testbed up 3 --slurm"
ENABLES = "finding the nodes of a job by its id, and going in by the batch system"


def batch_system(facts: SchedulerFacts) -> Said:
    """Judge the commands, and tell of the allocation."""
    found = {system: [name for name in names if name in facts.found] for system, names in SYSTEMS.items()}
    there = {system: names for system, names in found.items() if names}
    if not there:
        return missing("neither PBS nor Slurm", ENABLES, REMEDY)
    says = "; ".join(f"{system}: {', '.join(names)}" for system, names in there.items()) + _allocation(facts)
    lacking = {system: [name for name in SYSTEMS[system] if name not in facts.found] for system in there}
    if all(lacking.values()):
        system, names = next(iter(lacking.items()))
        return limited(f"{says}; no {', '.join(names)}", ENABLES, f"put the whole of {system}'s commands on PATH")
    return ok(says)


def _allocation(facts: SchedulerFacts) -> str:
    job = facts.environment.get("PBS_JOBID") or facts.environment.get("SLURM_JOB_ID")
    if job is None:
        return "; not inside a job"
    nodes = facts.environment.get("SLURM_JOB_NODELIST") or (f"{facts.node_count} nodes" if facts.node_count else "")
    return f"; inside job {job}" + (f" on {nodes}" if nodes else "")


CHECKS = (batch_system,)
