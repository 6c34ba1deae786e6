"""Which process is which rank of which launcher, from environments and the process tree.

A launcher tells each rank its number in a variable. Descendants inherit it, so a rank's *top* process is the first one
down the tree that has it. A variable that hangprobe itself was started with says nothing of the job.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hangprobe.model import DoubleCollect, Launcher, ProcessId, RankView, Unreadable
from hangprobe.observe.procfs import parse_call
from hangprobe.observe.reader import Reader
from hangprobe.observe.waits.shapes import Family, Shape, machine, shape

RANK_VARIABLES: tuple[tuple[str, Launcher], ...] = (
    ("OMPI_COMM_WORLD_RANK", Launcher.OPENMPI),  # Open MPI 5: prterun(1)
    ("PALS_RANKID", Launcher.PALS),  # HPE Cray PALS: aprun/mpiexec(1), "Environment Variables"
    ("PMI_RANK", Launcher.HYDRA),  # MPICH src/pm/hydra; Intel MPI and Slurm's pmi2 set it too
    ("SLURM_PROCID", Launcher.SRUN),  # srun(1)
)
JOB_VARIABLE = "PARALLEL_SEQ"
"""GNU parallel tells each of its jobs its number, from 1 on and on every node: parallel(1), ENVIRONMENT VARIABLES."""
HOST_VARIABLE, HERE = "PARALLEL_SSHLOGIN", ":"
"""Where GNU parallel runs a job, and what that says of the node on which `parallel` itself runs."""
PARALLEL_VARIABLE = "PARALLEL_PID"
"""Which `parallel` counts: the pid of its process, where it was started."""
SIZE_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
JOB_VARIABLES = ("PMIX_NAMESPACE", "I_MPI_HYDRA_UUID", "PALS_APID")
"""What the ranks of one job have in common, and no others: Open MPI 5, Intel MPI, PALS."""
RANK_NUMBER = re.compile(r"[0-9]{1,9}")
LAUNCHERS = frozenset(
    {"mpiexec", "mpirun", "mpiexec.hydra", "hydra_pmi_proxy", "hydra_bstrap_pr"}
    | {"prterun", "prte", "prted", "orterun", "orted", "srun", "slurmstepd", "aprun", "palsd", "parallel"}
)
"""Names of launchers and their daemons as `/proc/PID/comm` shows them, which cuts them at 15 letters.

None of them is a rank, whatever its environment says: Hydra's proxies under Slurm are started by srun.
"""
SHELLS = frozenset({"sh", "bash", "dash", "ksh", "zsh", "ash"})


@dataclass(frozen=True, slots=True)
class Marker:
    """What a process's environment says of its rank."""

    rank: int
    launcher: Launcher
    size: int | None = None
    """How many ranks its job has."""
    is_sent: bool = False
    """Whether GNU parallel has sent the job to a host; beside it there is a process that only waits for the answer."""


@dataclass(frozen=True, slots=True)
class Relative:
    """A process of the job's tree, as far as rank attribution needs it."""

    id: ProcessId
    parent: int | None
    name: str
    marker: Marker | None
    thread_count: int
    is_forked: bool = False
    """Forked and never exec'd: whoever forked it has the same environment."""


def marker(environment: Mapping[str, str], own: Mapping[str, str]) -> Marker | None:
    """Return the rank that an environment names; None if it names none, or the one in which hangprobe itself runs."""
    for variable, launcher in RANK_VARIABLES:
        value = environment.get(variable, "")
        if launcher is Launcher.SRUN and "SLURM_STEP_ID" not in environment:
            continue  # sbatch's own script has SLURM_PROCID=0 as well (Slurm 22.05), and is no rank
        if RANK_NUMBER.fullmatch(value) and own.get(variable) != value:
            return Marker(int(value), _refine(launcher, environment), _size(environment))
    return None


def job_marker(environment: Mapping[str, str], own: Mapping[str, str]) -> Marker | None:
    """Return the rank that an environment names; else the job of GNU parallel as one, numbered from 0 on.

    For who watches a command from its start. Whoever looks at all processes of a node would take every shell from which
    somebody has gone on working for a rank.
    """
    found = marker(environment, own)
    number = environment.get(JOB_VARIABLE, "")
    if found is not None or not RANK_NUMBER.fullmatch(number) or int(number) == 0:
        return found
    names = (JOB_VARIABLE, PARALLEL_VARIABLE)  # another `parallel` has a job of hangprobe's own number too
    is_own = all(environment.get(name) == own.get(name) for name in names)
    is_sent = environment.get(HOST_VARIABLE, HERE) != HERE
    return None if is_own else Marker(int(number) - 1, Launcher.GNU_PARALLEL, is_sent=is_sent)


def job_name(environment: Mapping[str, str], command: Sequence[str] = ()) -> str | None:
    """Return what all ranks of a job have in common, on whatever node they are; None if it cannot be told.

    `command` is the command line of the launcher's daemon above the rank: MPICH's Hydra shows there where its mpiexec
    listens (src/pm/hydra/proxy), and nothing in the environment.
    """
    for variable in JOB_VARIABLES:
        if value := environment.get(variable):
            return value
    for option, value in itertools.pairwise(command):
        if option == "--control-port":
            return f"mpiexec at {value}"
    if "SLURM_STEP_ID" in environment and "SLURM_JOB_ID" in environment:
        return f"slurm step {environment['SLURM_JOB_ID']}.{environment['SLURM_STEP_ID']}"
    return None


def _size(environment: Mapping[str, str]) -> int | None:
    values = [environment[variable] for variable in SIZE_VARIABLES if variable in environment]
    return int(values[0]) if values and RANK_NUMBER.fullmatch(values[0]) else None


def _refine(launcher: Launcher, environment: Mapping[str, str]) -> Launcher:
    if launcher is not Launcher.HYDRA:
        return launcher
    if any(name.startswith("I_MPI_") for name in environment):
        return Launcher.INTEL
    if environment.get("SLURM_PROCID") == environment["PMI_RANK"] and not any(n.startswith("HYD") for n in environment):
        return Launcher.SRUN
    return launcher


def attribute(tree: Iterable[Relative], command: int, reader: Reader) -> tuple[RankView, ...]:
    """Return the ranks of a job's tree in rank order; the command is rank 0 where no process carries a marker.

    The number of a job of GNU parallel is one only where nothing else is: what a job has started may have ranks itself.
    """
    relatives = {relative.id.pid: relative for relative in sorted(tree, key=lambda r: (r.id.start_time, r.id.pid))}
    ranked = [each.marker for each in relatives.values() if each.marker is not None and each.name not in LAUNCHERS]
    has_ranks = any(mark.launcher is not Launcher.GNU_PARALLEL for mark in ranked)
    tops: dict[int, Relative] = {}
    rank_of: dict[int, int] = {}
    for pid in _parents_first(relatives):
        relative = relatives[pid]
        inherited = rank_of.get(relative.parent) if relative.parent is not None else None
        if inherited is not None:
            rank_of[pid] = inherited
        elif relative.marker is None or relative.name in LAUNCHERS:
            continue
        elif relative.is_forked and relative.parent in relatives:
            continue  # its parent is of the rank too, and could not be read: no rank of this child's own
        elif relative.marker.is_sent and relative.parent in relatives:
            continue  # the ssh below `parallel`; where the job itself runs nobody of the tree has started it
        elif not has_ranks or relative.marker.launcher is not Launcher.GNU_PARALLEL:
            rank_of[pid] = relative.marker.rank
            tops.setdefault(relative.marker.rank, relative)
    if not tops:
        return _lone(relatives, command, reader)
    return tuple(
        RankView(
            rank,
            top.marker.launcher if top.marker else Launcher.NONE,
            top.id,
            _behind_shells(top, relatives, reader),
            tuple(relatives[pid].id for pid, its_rank in rank_of.items() if its_rank == rank),
            size=top.marker.size if top.marker else None,
        )
        for rank, top in sorted(tops.items())
    )


def with_newcomers(ranks: Iterable[RankView], double: DoubleCollect) -> tuple[RankView, ...]:
    """Add to each rank tree the processes that only a double collect saw: children younger than the list of them."""
    known = tuple(ranks)
    rank_of = {member.pid: rank.rank for rank in known for member in rank.members}
    added: dict[int, list[ProcessId]] = {}
    for process in double.second.processes:
        if process.id.pid not in rank_of and process.parent in rank_of:
            rank_of[process.id.pid] = rank_of[process.parent]
            added.setdefault(rank_of[process.parent], []).append(process.id)
    return tuple(rank.but(members=(*rank.members, *added.get(rank.rank, []))) for rank in known)


def _lone(relatives: Mapping[int, Relative], command: int, reader: Reader) -> tuple[RankView, ...]:
    top = relatives.get(command)
    if top is None:
        return ()
    members = tuple(relative.id for relative in relatives.values())
    return (RankView(0, Launcher.NONE, top.id, _behind_shells(top, relatives, reader), members),)


def _parents_first(relatives: Mapping[int, Relative]) -> list[int]:
    """Order pids so that a parent comes before its children, whatever their start times say (one tick is 10 ms)."""
    ordered: dict[int, None] = {}
    for pid in relatives:
        chain: list[int] = []
        at: int | None = pid
        while at is not None and at in relatives and at not in ordered and at not in chain:
            chain.append(at)
            at = relatives[at].parent
        ordered.update(dict.fromkeys(reversed(chain)))
    return list(ordered)


def _behind_shells(top: Relative, relatives: Mapping[int, Relative], reader: Reader) -> ProcessId:
    """Descend from a rank's top process while it is a single-threaded shell that waits for its only child."""
    found = top
    while found.name in SHELLS and found.thread_count == 1:
        children = [relative for relative in relatives.values() if relative.parent == found.id.pid]
        if len(children) != 1 or not _waits_for_child(found.id.pid, reader):
            break
        found = children[0]
    return found.id


def _waits_for_child(pid: int, reader: Reader) -> bool:
    call, wchan = reader.text(f"{pid}/syscall"), reader.text(f"{pid}/wchan")
    if isinstance(call, Unreadable) or isinstance(wchan, Unreadable):
        return False
    words = parse_call(call)
    if isinstance(words, Unreadable):
        return False
    found = shape(words, wchan.strip(), machine())
    return isinstance(found, Shape) and found.family is Family.CHILD
