"""When a trial is ended that does not end by itself: once its hang has shown all that it will show.

A worker that hangs says nothing yet of the others: their tasks are let run until each has ended, or hangs too. Which do
is read from the marks of all nodes, one stat a worker, while a hang or stall stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from hangprobe.model import RankState, Verdict
from hangprobe.observe.crew import Crew
from hangprobe.observe.patience import Patience
from hangprobe.watched import Watched

SETTLE_S = 2.0
"""For which nothing new must have been told: nodes find the same hang within a second of each other."""
LEAVE_S = 5.0
"""For an ensemble whose tasks have ended to end too, once its managers have stalled."""
CAUGHT = frozenset({RankState.PROVEN, RankState.LEAK, RankState.STALLED, RankState.EXITED})
"""States of a worker whose task is not waited for; one that has gone in the middle of it has not noted its end."""


@dataclass(slots=True)
class TrialEnds:
    """When one trial is ended. `marks` is the folder of its tasks' marks."""

    marks: Path
    task_timeout_s: float
    """From the first hang or stall on, for the tasks of other workers."""
    trial_timeout_s: float
    said: str | None = None
    """Why it was ended; None if it was not."""
    _first_s: float | None = None
    _crews: dict[str, Crew] = field(default_factory=dict)
    _patience: Patience = field(default_factory=Patience)

    def reason(self, watchdog: Watched, elapsed_s: float, now_s: float) -> str | None:
        """Return why the trial must be ended now; None while it may go on."""
        self.said = self._reason(watchdog, elapsed_s, now_s)
        return self.said

    def _reason(self, watchdog: Watched, elapsed_s: float, now_s: float) -> str | None:
        if elapsed_s >= self.trial_timeout_s:
            return f"it ran for {self.trial_timeout_s:g} s (--trial-timeout)"
        if watchdog.verdict not in {Verdict.HANG, Verdict.STALL} or watchdog.standing_since_s is None:
            self._first_s = None
            return None
        self._first_s = self._first_s or now_s
        if now_s - self._first_s >= self.task_timeout_s:
            return f"{self.task_timeout_s:g} s after the first hang not all tasks had ended or hung (--task-timeout)"
        standing_s = now_s - watchdog.standing_since_s
        is_hung = watchdog.verdict is Verdict.HANG
        if standing_s < (SETTLE_S if is_hung else LEAVE_S) or (busy := self._busy()) is None:
            return None
        caught = {(rank.host, rank.pid) for rank in watchdog.digest.ranks if rank.state in CAUGHT}
        if is_hung and busy <= caught:
            return "every task has ended, or hangs"
        if not is_hung and not busy and self._has_begun:
            return "every task has ended, and the launcher has not"
        return None

    @property
    def _has_begun(self) -> bool:
        """Whether any worker has had a task."""
        return any(crew.members for crew in self._crews.values())

    def _busy(self) -> set[tuple[str, int]] | None:
        """Return host and pid of every worker that runs a task; None if the marks cannot be read now."""
        hosts = self._patience.get(partial(_names, self.marks / "workers"))
        if hosts is None:
            return None
        for host in hosts:
            if not self._crews.setdefault(host, Crew(self.marks, host, patience=self._patience)).read():
                return None
        members = (member for crew in self._crews.values() for member in crew.members.values())
        return {(each.process.host, each.process.pid) for each in members if each.task is not None}


def _names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()] if folder.is_dir() else []
