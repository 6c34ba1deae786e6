"""What `hangprobe compare` is asked for: words of the command line -> axes and settings, checked name by name.

Apart from the command because it touches nothing: a wrong name is refused before a testbed is built. What was not
given is None, so that `--resume DIR` alone, which takes all from disk, can be told from one with a plan to check.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path

from hangprobe.ensemble import launchers as known_launchers
from hangprobe.ensemble import workloads as known_workloads
from hangprobe.ensemble.launchers import AS_CONFIGURED
from hangprobe.ensemble.plan import SRUN, Axes
from hangprobe.ensemble.records import Settings
from hangprobe.errors.base import UnknownName, UsageError

LAUNCHERS = "mpiexec,gnu-parallel,gnu-parallel-repaired"
WORKLOADS = "stdin-child,thread-lock,openmp,flock,noop"
MPI, PARSL = "mpich", "installed"
TRIALS, NODES = 5, 3
STDINS = ("null", "open")
_VERSION = re.compile(r"\d+(\.\w+)+|installed|newest")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options that make a plan, as given; None: not given."""

    config: Path | None = None
    launchers: str | None = None
    workloads: str | None = None
    mpi: str | None = None
    parsl: str | None = None
    trials: int | None = None
    nodes: int | None = None
    workers_per_node: int | None = None
    tasks_per_worker: int | None = None
    seed: int | None = None
    stall_after: float | None = None
    task_timeout: float | None = None
    trial_timeout: float | None = None
    driver_stdin: str | None = None
    until_sure: bool = False

    @property
    def is_anything(self) -> bool:
        """Whether any of them was given."""
        return self != Asked()

    @property
    def axes(self) -> Axes:
        """What is compared. Raises UnknownName, UsageError."""
        launchers = _names("launcher", self.launchers, self._default_launchers(), _launcher_names(), "launchers")
        workloads = tuple(_workload(word) for word in _words("--workloads", self.workloads or WORKLOADS))
        mpis = _names("MPI", self.mpi, MPI, list(known_launchers.MPIS), None)
        parsls = _words("--parsl", self.parsl or PARSL)
        for version in parsls:
            if not _VERSION.fullmatch(version):
                raise UsageError(f"--parsl {version} is no version", "like 2023.10.23, or installed")
        if AS_CONFIGURED in launchers and self.config is None:
            raise UsageError(
                "the launcher as-configured is that of a CONFIG.py", "name one: hangprobe compare CONFIG.py"
            )
        return Axes(launchers, workloads, mpis, parsls)

    @property
    def wants_slurm(self) -> bool:
        """Whether a testbed for it needs Slurm."""
        return SRUN in self.axes.launchers

    def settings(self, nodes: int) -> Settings:
        """Return what is the same in all trials on so many nodes. Raises UsageError."""
        if self.driver_stdin not in (None, *STDINS):
            raise UsageError(f"--driver-stdin {self.driver_stdin}", f"it is {' or '.join(STDINS)}")
        usual = Settings(nodes=nodes, config=str(self.config.resolve()) if self.config is not None else None)
        return Settings(
            nodes=usual.nodes,
            workers_per_node=self.workers_per_node or usual.workers_per_node,
            tasks_per_worker=self.tasks_per_worker or usual.tasks_per_worker,
            stall_after_s=self.stall_after or usual.stall_after_s,
            task_timeout_s=self.task_timeout or usual.task_timeout_s,
            trial_timeout_s=self.trial_timeout or usual.trial_timeout_s,
            driver_stdin=self.driver_stdin or usual.driver_stdin,
            config=usual.config,
        )

    def words(self) -> tuple[str, ...]:
        """Return the command line's words that ask for the same."""
        given = [str(self.config.resolve())] if self.config is not None else []
        for option in fields(self)[1:]:
            value = getattr(self, option.name)
            if value is not None and value is not False:  # 0 is a seed
                name = f"--{option.name.replace('_', '-')}"
                given += [name] if value is True else [name, f"{value:g}" if isinstance(value, float) else str(value)]
        return tuple(given)

    def _default_launchers(self) -> str:
        return f"{AS_CONFIGURED},gnu-parallel,gnu-parallel-repaired" if self.config is not None else LAUNCHERS


def _launcher_names() -> list[str]:
    return [*known_launchers.TABLE, AS_CONFIGURED]


def _workload(word: str) -> str:
    if ":" in word:
        if not _FUNCTION.fullmatch(word):
            raise UsageError(f"--workloads {word} is no function", "write module:function")
    elif word not in known_workloads.TABLE:
        raise UnknownName("workload", word, list(known_workloads.TABLE), "hangprobe list workloads; or module:function")
    return word


def _names(noun: str, given: str | None, default: str, known: list[str], kind: str | None) -> tuple[str, ...]:
    words = _words(f"--{kind or noun.lower()}", given or default)
    for word in words:
        if word not in known:
            raise UnknownName(noun, word, known, f"hangprobe list {kind}" if kind else f"--{noun.lower()} NAME")
    return words


def _words(option: str, text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise UsageError(f"{option} names nothing", "separate names by commas")
    return words
