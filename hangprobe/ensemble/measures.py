"""What a trial's marks and events say: managers, tasks and times. Pure, but for `measure`, which has them read.

Times of marks and events are wall-clock times of the node that wrote them: between nodes they are as good as the nodes'
clocks, and none is made to look better.

A task is `hung` if its worker is hung in it, by proof or leak; one whose worker only stalled is `running`. (A worker is
also hung that has stalled because a process of its own is in a knot: a finding says so.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hangprobe.ensemble.records import ManagerSeen, TaskSeen, TaskState
from hangprobe.ensemble.traces import Event, TaskLog, WorkerLog, read_events, read_logs
from hangprobe.model import RankState, Tier
from hangprobe.observe.crew import sizes as read_sizes
from hangprobe.ranksets import unfold
from hangprobe.result import Finding, RankResult

HUNG_IN = frozenset({RankState.PROVEN, RankState.LEAK})
HUNG_BY = frozenset({Tier.PROVEN, Tier.LEAK})
WORDS_MAX = 40
"""Last lines of a launcher and its joblog that are kept; a banner of Hydra has 12."""
LINE_MAX = 400
"""Characters of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """All that marks and events say. Times count from the trial's start."""

    managers: tuple[ManagerSeen, ...] = ()
    tasks: tuple[TaskSeen, ...] = ()
    registered_s: float | None = None
    first_task_s: float | None = None
    makespan_s: float | None = None
    throughput: float | None = None
    words: tuple[str, ...] = ()
    """What the launcher said, its last lines, after GNU parallel's joblog."""
    block_ended: str | None = None
    refused: tuple[str, ...] = ()
    failed: str | None = None
    """Why the driver itself came to grief; None if it did not."""
    expected: int = 0
    """Managers; 0 if the driver never came so far as to say."""
    is_here: bool = False
    """Whether the managers are started where the driver runs, by a user's own configuration."""


def measure(folder: Path, began: float, ranks: Sequence[RankResult] = (), findings: Iterable[Finding] = ()) -> Measures:
    """Return what a trial's folder says; `began` is its start by the wall clock."""
    return measured(
        read_events(folder), read_logs(folder / "marks"), read_sizes(folder / "marks"), began, ranks, findings
    )


def measured(
    events: Sequence[Event],
    logs: Sequence[WorkerLog],
    sizes: tuple[int, int],
    began: float,
    ranks: Sequence[RankResult] = (),
    findings: Iterable[Finding] = (),
) -> Measures:
    """Return what events and worker logs say. `sizes`: managers, and workers of each; 0 where nobody has said."""
    told: list[list[Event]] = [event["managers"] for event in events if event["event"] == "managers"]
    hung = frozenset(rank for each in findings if each.tier in HUNG_BY for rank in unfold(each.ranks))
    tree = _Tree(ranks, sizes[1], logs, hung)
    managers = _managers(told[-1] if told else [], tree, began)
    tasks = _tasks(events, logs, tree, began)
    arrivals = [manager.registered_s for manager in managers if manager.registered_s is not None]
    is_complete = bool(sizes[0]) and len(arrivals) >= sizes[0]
    starts = [task.began_s for task in tasks if task.began_s is not None]
    makespan_s = _makespan(events, tasks)
    return Measures(
        managers=managers,
        tasks=tasks,
        registered_s=max(arrivals) if is_complete else None,
        first_task_s=min(starts, default=None),
        makespan_s=makespan_s,
        throughput=len(tasks) / makespan_s if makespan_s else None,
        words=_words(events),
        block_ended=next((str(each.get("status")) for each in events if each["event"] == "block-ended"), None),
        refused=tuple(str(word) for each in events if each["event"] == "config-refused" for word in each["errors"]),
        failed=next((str(each.get("error")) for each in events if each["event"] == "failed"), None),
        expected=sizes[0],
        is_here=any(bool(each.get("is_here")) for each in events if each["event"] == "loaded"),
    )


@dataclass(slots=True)
class _Tree:
    """Workers and managers as the watchdog saw them, by host and pid, joined with the workers' own logs."""

    ranks: Sequence[RankResult]
    workers: int
    logs: Sequence[WorkerLog]
    hung: frozenset[int]
    """The ranks that findings of a hang are about."""
    by_process: dict[tuple[str, int], RankResult] = field(init=False)
    managers: list[RankResult] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the ranks into workers and managers."""
        self.by_process = {(rank.host, rank.pid): rank for rank in self.ranks if _says(rank, "worker") is not None}
        self.managers = [
            rank for rank in self.ranks if _says(rank, "worker") is None and _says(rank, "manager") is not None
        ]

    def rank_of(self, log: WorkerLog) -> RankResult | None:
        """Return the worker that wrote a log, if it was seen."""
        rank = self.by_process.get((log.host, log.pid))
        return rank if rank is not None and rank.start_time == log.start_time else None

    def is_hung(self, rank: RankResult) -> bool:
        """Return whether a worker hangs."""
        return rank.state in HUNG_IN or (rank.state is RankState.STALLED and rank.rank in self.hung)

    def index_of(self, log: WorkerLog) -> int | None:
        """Return a worker's number, as the watchdog gave it or by its manager's; None if its manager was not seen."""
        rank = self.rank_of(log)
        if rank is not None:
            return rank.rank
        of_host = [each for each in self.managers if each.host == log.host]
        own = [each for each in of_host if each.pid == log.manager_pid] or (of_host if len(of_host) == 1 else [])
        if not own or log.place is None:
            return None
        return int(_says(own[0], "manager") or 0) * self.workers + log.place

    def start_methods(self, index: int) -> dict[str, int]:
        """Return how a manager's workers were started, as seen."""
        own = (rank for rank in self.by_process.values() if _says(rank, "manager") == str(index))
        return dict(sorted(Counter(_says(rank, "start_method") or "unknown" for rank in own).items()))


def _says(rank: RankResult, what: str) -> str | None:
    return rank.detail.get(what) if rank.detail is not None else None


def _managers(registered: Sequence[Event], tree: _Tree, began: float) -> tuple[ManagerSeen, ...]:
    """Return the managers: those of the live tree joined with those that registered, by pool name or in order."""
    pools = {(log.host, log.manager_pid): log.pool for log in tree.logs}
    waiting = list(registered)
    joined: list[tuple[RankResult | None, Event | None]] = []
    later = []
    for rank in tree.managers:
        pool = pools.get((rank.host, rank.pid))
        said = next((each for each in waiting if pool is not None and each["uid"] == pool), None)
        if said is None:
            later.append(rank)
        else:
            waiting.remove(said)
            joined.append((rank, said))
    for rank in later:  # no worker of it has begun a task: any of its host that is left
        said = next((each for each in waiting if each["host"] == rank.host), None)
        if said is not None:
            waiting.remove(said)
        joined.append((rank, said))
    used = {int(_says(rank, "manager") or 0) for rank, _ in joined if rank is not None}
    free = (number for number in range(len(used) + len(waiting)) if number not in used)
    found = [_manager(rank, said, int(_says(rank, "manager") or 0), tree, began) for rank, said in joined if rank]
    found += [_manager(None, said, next(free), tree, began) for said in waiting]
    return tuple(sorted(found, key=lambda each: each.index))


def _manager(rank: RankResult | None, said: Event | None, index: int, tree: _Tree, began: float) -> ManagerSeen:
    host = rank.host if rank is not None else str((said or {}).get("host"))
    return ManagerSeen(
        host=host,
        index=index,
        registered_s=float(said["registered"]) - began if said is not None else None,
        workers=int((said or {}).get("workers") or 0) or sum(tree.start_methods(index).values()),
        start_methods=tree.start_methods(index),
        start_method_said=said.get("start_method_said") if said is not None else None,
        started_s=float(started) - began if rank is not None and (started := _says(rank, "began")) else None,
    )


def _tasks(events: Sequence[Event], logs: Iterable[WorkerLog], tree: _Tree, began: float) -> tuple[TaskSeen, ...]:
    submitted = [number for event in events if event["event"] == "submitted" for number in event["tasks"]]
    results = {event["task"]: event for event in events if event["event"] == "task"}
    # a task that Parsl has given to a second worker counts as that one has it
    marks = {
        each.task: (each, log)
        for log, each in sorted(((log, each) for log in logs for each in log.tasks), key=lambda both: both[1].began)
    }
    return tuple(_task(number, results.get(number), marks.get(number), tree, began) for number in submitted)


def _task(
    number: int, result: Event | None, mark: tuple[TaskLog, WorkerLog] | None, tree: _Tree, began: float
) -> TaskSeen:
    if mark is None:
        is_failed = result is not None and result["state"] == "failed"
        state = TaskState.FAILED if is_failed else TaskState.LOST if result is None else TaskState.DONE
        return TaskSeen(number, state, None, None, None, None, None, result.get("error") if result else None)
    task, log = mark
    return TaskSeen(
        task=number,
        state=_state(task, result, tree.rank_of(log), tree),
        host=log.host,
        worker=tree.index_of(log),
        pid=log.pid,
        began_s=task.began - began,
        ended_s=task.ended - began if task.ended is not None else None,
        why=_why(task, result),
    )


def _state(task: TaskLog, result: Event | None, rank: RankResult | None, tree: _Tree) -> TaskState:
    if rank is not None and tree.is_hung(rank) and _says(rank, "task") == str(task.task):
        return TaskState.HUNG  # what it did while its trial was being ended (its standard input closes) says nothing
    if result is not None:
        return TaskState.DONE if result["state"] == "done" else TaskState.FAILED
    if task.outcome is not None:
        return TaskState.DONE if task.outcome == "ok" else TaskState.FAILED
    return TaskState.LOST if rank is not None and rank.state is RankState.EXITED else TaskState.RUNNING


def _why(task: TaskLog, result: Event | None) -> str | None:
    if result is not None and result.get("error"):
        return str(result["error"])
    return task.outcome if task.outcome not in (None, "ok") else None


def _makespan(events: Sequence[Event], tasks: Sequence[TaskSeen]) -> float | None:
    """Return the time from the first submission to the last result; None unless every result is there, and good."""
    submitted = [event["t"] for event in events if event["event"] == "submitted"]
    results = [event["t"] for event in events if event["event"] == "task" and event["state"] == "done"]
    if not submitted or not tasks or len(results) < len(tasks):
        return None
    return float(max(results) - min(submitted))


def _words(events: Iterable[Event]) -> tuple[str, ...]:
    words: list[str] = []
    for event in events:
        if event["event"] == "block-output":
            for stream in ("joblog", "stdout", "stderr"):
                words += [line[:LINE_MAX] for line in (event.get(stream) or "").splitlines() if line.strip()]
    return tuple(words[-WORDS_MAX:])
