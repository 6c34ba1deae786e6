"""Which process is which rank of which launcher, from environments and the process tree.

A launcher tells each rank its number in a variable. Descendants inherit it, so a rank's *top* process is the first one
down the tree that has it. A variable that hangprobe itself was started with says nothing of the job.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hangprobe.model import Launcher, ProcessId, RankView, Unreadable
from hangprobe.observe.procfs import parse_call
from hangprobe.observe.reader import Reader
from hangprobe.observe.waits.shapes import Family, Shape, machine, shape

RANK_VARIABLES: tuple[tuple[str, Launcher], ...] = (
    ("OMPI_COMM_WORLD_RANK", Launcher.OPENMPI),  # Open MPI 5: prterun(1)
    ("PALS_RANKID", Launcher.PALS),  # HPE Cray PALS: aprun/mpiexec(1), "Environment Variables"
    ("PMI_RANK", Launcher.HYDRA),  # MPICH src/pm/hydra; Intel MPI and Slurm's pmi2 set it too
    ("SLURM_PROCID", Launcher.SRUN),  # srun(1)
)
RANK_NUMBER = re.compile(r"[0-9]{1,9}")
SHELLS = frozenset({"sh", "bash", "dash", "ksh", "zsh", "ash"})


@dataclass(frozen=True, slots=True)
class Marker:
    """What a process's environment says of its rank."""

    rank: int
    launcher: Launcher


@dataclass(frozen=True, slots=True)
class Relative:
    """A process of the job's tree, as far as rank attribution needs it."""

    id: ProcessId
    parent: int | None
    name: str
    marker: Marker | None
    thread_count: int


def marker(environment: Mapping[str, str], own: Mapping[str, str]) -> Marker | None:
    """Return the rank that an environment names; None if it names none, or the one in which hangprobe itself runs."""
    for variable, launcher in RANK_VARIABLES:
        value = environment.get(variable, "")
        if RANK_NUMBER.fullmatch(value) and own.get(variable) != value:
            return Marker(int(value), _refine(launcher, environment))
    return None


def _refine(launcher: Launcher, environment: Mapping[str, str]) -> Launcher:
    if launcher is not Launcher.HYDRA:
        return launcher
    if any(name.startswith("I_MPI_") for name in environment):
        return Launcher.INTEL
    if environment.get("SLURM_PROCID") == environment["PMI_RANK"] and not any(n.startswith("HYD") for n in environment):
        return Launcher.SRUN
    return launcher


def attribute(tree: Iterable[Relative], command: int, reader: Reader) -> tuple[RankView, ...]:
    """Return the ranks of a job's tree in rank order; the command is rank 0 where no process carries a marker."""
    relatives = {relative.id.pid: relative for relative in sorted(tree, key=lambda r: (r.id.start_time, r.id.pid))}
    tops: dict[int, Relative] = {}
    rank_of: dict[int, int] = {}
    for pid in _parents_first(relatives):
        relative = relatives[pid]
        inherited = rank_of.get(relative.parent) if relative.parent is not None else None
        if inherited is not None:
            rank_of[pid] = inherited
        elif relative.marker is not None:
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
        )
        for rank, top in sorted(tops.items())
    )


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
