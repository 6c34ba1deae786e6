"""What is to be run, and in which order: axes -> cells -> randomised blocks. Pure.

Every cell comes once in each block, in an order of its own: a machine that grows slower, or a neighbour that works for
an hour, meets all cells alike (Fisher's randomised blocks). The order of a block depends on the seed and the block's
number alone, so a plan of ten blocks begins with the plan of five.

Controls show that a block is evidence: under every launcher one workload that must hang whatever the launcher does,
and one that must not hang under any. If the first of them does not hang, then nothing can be said of another workload
that did not hang either.

Cells that cannot exist, or that would be another one's twin, are left out, each with its reason.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hangprobe.ensemble import launchers, workloads
from hangprobe.ensemble.records import Cell, Planned

CONTROLS = {each.name: each.control for each in workloads.TABLE.values() if each.control is not None}
"""Workload -> what it must do under any launcher: `must-hang` or `must-complete`."""
WITHOUT_MPI = frozenset(each.name for each in launchers.TABLE.values() if each.program not in {"mpiexec", "mpirun"})
"""Launchers that start managers without any MPI: the MPI axis would only repeat them."""
NEEDS_MPI = ("mpi-task",)
"""Workloads that use the MPI of their cell, whoever started the managers."""
SRUN, SINGLE_NODE = "srun", "single-node"


@dataclass(frozen=True, slots=True)
class Axes:
    """What was asked for, each axis in the order in which it was named and once each."""

    launchers: tuple[str, ...]
    workloads: tuple[str, ...]
    mpis: tuple[str, ...]
    parsls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What of the place decides which cells can exist."""

    nodes: int
    has_slurm: bool
    has_config: bool
    """Whether there is a configuration of the user's, whose own launcher `as-configured` means."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A cell that is not run."""

    cell: Cell
    why: str


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a campaign."""

    asked: tuple[Cell, ...]
    controls: tuple[Cell, ...]
    """Added to those that were asked for; `thread-lock` and `noop` cells among these serve as controls too."""
    left_out: tuple[LeftOut, ...]

    @property
    def all(self) -> tuple[Cell, ...]:
        """Every cell that is run."""
        return self.asked + self.controls


def cells(axes: Axes, place: Place) -> Cells:
    """Return the cells of some axes, in a fixed order: those that were asked for, then the controls that are missing.

    A launcher's controls have its first MPI and its first Parsl: what they show is the launcher's, and the testbed's.
    """
    asked: list[Cell] = []
    left_out: list[LeftOut] = []
    for launcher in axes.launchers:
        for workload in axes.workloads:
            for parsl in axes.parsls:
                for mpi in axes.mpis:
                    cell = Cell(launcher, workload, mpi, parsl)
                    why = impossible(cell, place) or _twin(cell, axes.mpis[0])
                    if why is None:
                        asked.append(cell)
                    else:
                        left_out.append(LeftOut(cell, why))
    controls = [
        Cell(launcher, workload, axes.mpis[0], axes.parsls[0])
        for launcher in dict.fromkeys(cell.launcher for cell in asked)
        for workload in CONTROLS
        if not any((cell.launcher, cell.workload) == (launcher, workload) for cell in asked)
    ]
    return Cells(tuple(asked), tuple(controls), tuple(left_out))


def impossible(cell: Cell, place: Place) -> str | None:
    """Return why a cell cannot be run here; None if it can."""
    if cell.launcher == SRUN and not place.has_slurm:
        return "srun needs Slurm, and there is none here"
    if cell.launcher == SINGLE_NODE and place.nodes > 1:
        return f"single-node starts one manager, and there are {place.nodes} nodes"
    if cell.launcher == launchers.AS_CONFIGURED and not place.has_config:
        return "as-configured is the launcher of a CONFIG.py, and none was given"
    return None


def _twin(cell: Cell, first_mpi: str) -> str | None:
    if cell.launcher in WITHOUT_MPI and cell.workload not in NEEDS_MPI and cell.mpi != first_mpi:
        return f"{cell.launcher} does not depend on the MPI: run once, as {first_mpi}"
    return None


def plan(cells: Cells, blocks: int, seed: int) -> tuple[Planned, ...]:
    """Return all trials of so many blocks, in the order in which they are run."""
    added = frozenset(cells.controls)
    planned: list[Planned] = []
    for block in range(1, blocks + 1):
        order = list(cells.all)
        # a string is hashed by SHA-512, the same in every process and version since 3.2 (random.seed)
        random.Random(f"hangprobe {seed} {block}").shuffle(order)
        for cell in order:
            control = CONTROLS[cell.workload] if cell in added else None
            planned.append(Planned(len(planned) + 1, block, cell, control))
    return tuple(planned)


def missing(planned: Sequence[Planned], recorded: Iterable[int]) -> tuple[Planned, ...]:
    """Return the trials that are not on record, in order."""
    known = frozenset(recorded)
    return tuple(each for each in planned if each.number not in known)


def role(workload: str, control: str | None) -> str | None:
    """Return what a trial must do so that its block is evidence: that of an added control, or of one asked for."""
    return control or CONTROLS.get(workload)
