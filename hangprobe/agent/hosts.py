"""Which nodes a job has: by a node file, a folded set of names, what the batch system says, or the environment.

The parsers are pure; what the batch system is asked has a deadline.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hangprobe.errors.base import ExtraMissing, UsageError
from hangprobe.errors.jobs import NoSuchJob

ASK_S = 10.0
"""A batch system that is busy answers within seconds; one that is down answers never."""
EXEC_HOST = re.compile(r"^\s*exec_host = (.+)$", re.MULTILINE)
NODE_FILE = "PBS_NODEFILE"
NODE_SETS = ("SLURM_JOB_NODELIST", "HANGPROBE_HOSTS")
"""The first is Slurm's; a testbed sets the second, and so may anybody."""
_HOST = re.compile(r"[^\s:/#*+]+")

Run = Callable[[Sequence[str]], str]


class Batch(StrEnum):
    """A batch system."""

    SLURM = "slurm"
    PBS = "pbs"


@dataclass(frozen=True, slots=True)
class Allocation:
    """The nodes of a job of a batch system."""

    batch: Batch
    job: str
    hosts: tuple[str, ...]


def hosts_in(text: str) -> tuple[str, ...]:
    """Return the hosts that a node file names, in its order and once each; or those of a set like `node[01-64],login`.

    A node file has a host a line, with or without slots behind it (`node01 slots=4`, `node01:4`): PBS_NODEFILE and
    Hydra's, Intel's and Open MPI's host files. Raises UsageError.
    """
    path = Path(text)
    if path.is_file():
        found = _lines(path.read_text(errors="replace"))
        if not found:
            raise UsageError(f"{text} names no host", "a node file has one host a line")
        return found
    if "/" in text.partition("[")[0]:  # node[1-64/2] is every second node
        raise UsageError(f"there is no node file {text}", "name a file, or hosts like node[01-64]")
    return unfolded(text)


def allocated(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the nodes that this environment offers for a job, once each; none if it offers none. Raises UsageError."""
    if variables.get(NODE_FILE):
        return hosts_in(variables[NODE_FILE])
    return next((unfolded(variables[name]) for name in NODE_SETS if variables.get(name)), ())


def _lines(text: str) -> tuple[str, ...]:
    words = (match for line in text.splitlines() if (match := _HOST.match(line.strip())))
    return tuple(dict.fromkeys(match.group() for match in words))


def need_clustershell() -> None:
    """Raise ExtraMissing if ClusterShell is not installed."""
    if importlib.util.find_spec("ClusterShell") is None:
        raise ExtraMissing("ClusterShell", "a job on several nodes", "nodes")


def unfolded(text: str) -> tuple[str, ...]:
    """Return the hosts of a folded set. Raises UsageError."""
    need_clustershell()
    from ClusterShell.NodeSet import NodeSet, NodeSetException

    try:
        found = tuple(NodeSet(text))
    except NodeSetException as error:
        raise UsageError(f"'{text}' is no set of hosts: {error}", "write node[01-64] or node01,node02") from None
    if not found:
        raise UsageError(f"'{text}' names no host", "write node[01-64] or node01,node02")
    return found


def allocation(job: str, run: Run | None = None, has: Callable[[str], str | None] = shutil.which) -> Allocation:
    """Return the nodes of a batch job, asking whichever batch system is here. Raises NoSuchJob, UsageError."""
    run = run or _run
    if has("squeue") and job.split(".")[0].split("_")[0].isdigit():
        return Allocation(Batch.SLURM, job, slurm_hosts(job, run))
    if has("qstat"):
        return Allocation(Batch.PBS, job, pbs_hosts(job, run))
    raise UsageError("there is neither squeue nor qstat here", "run this on a login node, or name --hosts")


def slurm_hosts(job: str, run: Run) -> tuple[str, ...]:
    """Return the nodes of a running job: `squeue -o %T %N` (squeue(1))."""
    words = run(("squeue", "-h", "-j", job, "-o", "%T %N")).split(maxsplit=1)
    if not words:
        raise NoSuchJob(f"Slurm knows no job {job}", "see squeue --me")
    if "\n" in words[-1].strip():
        raise NoSuchJob(f"{job} is several jobs", f"name one of them: see squeue -j {job}")
    if len(words) == 1:
        raise NoSuchJob(f"job {job} has no nodes: it is {words[0]}", "wait until it runs")
    return unfolded(words[1].strip())


def pbs_hosts(job: str, run: Run) -> tuple[str, ...]:
    """Return the nodes of a running job: `exec_host` of `qstat -f` (qstat(1B)), which may be folded over lines."""
    text = run(("qstat", "-f", job)).replace("\n\t", "")
    match = EXEC_HOST.search(text)
    if match is None:
        raise NoSuchJob(f"job {job} has no nodes", "it waits, or has ended: see qstat -x " + job)
    return tuple(dict.fromkeys(chunk.partition("/")[0] for chunk in match.group(1).split("+")))


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=ASK_S, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise NoSuchJob(f"{command[0]} did not answer within {ASK_S:g} s", "name the nodes with --hosts") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NoSuchJob(f"{' '.join(command)}: {said[0] if said else f'exit {done.returncode}'}", "is the id right?")
    return done.stdout
