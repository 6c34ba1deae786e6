"""What a trial has left on disk about its tasks, read back: events of its driver, logs of its workers.

Written by subject/events.py and subject/task.py, where the lines are described. A line that is not whole, or damaged,
counts as not written: a trial may have been ended in the middle of it. While a trial runs, observe/crew.py reads the
ends of the same logs: what a worker does now, and no more of it than that takes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from hangprobe.observe.crew import writer

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WorkerLog:
    """What one worker has written about its tasks."""

    host: str
    pid: int
    start_time: int
    place: int | None
    """Among the workers of its manager; None if its Parsl does not say."""
    manager_pid: int | None
    pool: str | None
    """Its manager's name to Parsl."""
    tasks: tuple[TaskLog, ...]


@dataclass(frozen=True, slots=True)
class TaskLog:
    """One task as its worker saw it; wall-clock seconds."""

    task: int
    began: float
    ended: float | None
    outcome: str | None
    """`ok` or the class of its error; None if it has not ended."""


def read_events(folder: Path) -> list[Event]:
    """Return the whole lines of events.jsonl that are events."""
    found: list[Event] = []
    for line in _whole_lines(folder / "events.jsonl"):
        try:
            event = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if isinstance(event, dict) and "event" in event:
            found.append(event)
    return found


def read_logs(marks: Path) -> list[WorkerLog]:
    """Return the workers' logs, in order of host and start."""
    found = ((writer(path), path) for path in (marks / "workers").glob("*/*.log"))
    logs = (worker_log(each.host, each.pid, each.start_time, _whole_lines(path)) for each, path in found if each)
    return sorted(logs, key=lambda log: (log.host, log.start_time, log.pid))


def worker_log(host: str, pid: int, start_time: int, lines: Sequence[str]) -> WorkerLog:
    """Return a worker's log; the lines are described in subject/task.py."""
    said: list[str] = ["-"] * 5
    tasks: dict[int, TaskLog] = {}
    for words in (line.split(" ") for line in lines):
        with contextlib.suppress(ValueError):  # no number where one should be
            match words:
                case ["W", *rest] if len(rest) >= 5:
                    said = rest
                case ["B", at, task, *_]:
                    tasks[int(task)] = TaskLog(int(task), float(at), None, None)
                case ["E", at, task, outcome] if int(task) in tasks:
                    tasks[int(task)] = TaskLog(int(task), tasks[int(task)].began, float(at), outcome)
    place, manager, pool = said[0], said[3], said[4]
    return WorkerLog(
        host,
        pid,
        start_time,
        int(place) if place.isdigit() else None,
        int(manager) if manager.isdigit() else None,
        pool if pool != "-" else None,
        tuple(tasks.values()),
    )


def _whole_lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").split("\n")[:-1]
    except OSError:
        return []
