"""Where a job begins on a node: below which processes it runs, and which of its processes may turn up elsewhere.

Where hangprobe has started the job that is one process, its guardian, to which orphans of the job go as well. On
another node an observer is no ancestor of the ranks: they are below the launcher's daemons, of which there may be
several, and which become known one after the other. An orphan goes from there to the nearest subreaper, or to pid 1,
among processes that have nothing to do with the job.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from hangprobe.model import ProcessId
from hangprobe.observe.ranks import Marker, job_marker, job_name

TAG_VARIABLE = "HANGPROBE_JOB"


@dataclass(slots=True)
class Roots:
    """May grow while it is in use: whoever is added is looked at in the next sample."""

    parents: dict[int, None] = field(default_factory=dict)
    """Pids, in the order in which they became known. Not part of the job: all that is below them is."""
    members: dict[int, ProcessId] = field(default_factory=dict)
    """Processes that are part of the job themselves, with all that is below them, whoever is their parent."""
    adopters: set[int] = field(default_factory=set)
    """Pids to which orphans of the job may go, beside those of others: only children of the job count."""
    without: set[int] = field(default_factory=lambda: {os.getpid()})
    """Pids that are never part of the job, nor what is below them: an observer was started by a rank's wrapper."""
    tag: str | None = None
    """What `HANGPROBE_JOB` says in the environment of the job's processes."""
    jobs: set[str] = field(default_factory=set)
    """Names of the job, as `job_name` reads them from the environment of a rank."""
    only: Marker | None = None
    """The one rank of which orphans count; None: of any."""

    @classmethod
    def of(cls, pid: int) -> Roots:
        """Return one process as the root of a job that it has started: it adopts the orphans itself."""
        return cls({pid: None}, without=set())

    @property
    def first(self) -> int | None:
        """The pid that stands for all of them, where one has to."""
        return next(iter((*self.parents, *self.members)), None)

    def add(self, pid: int) -> None:
        """Watch what is below another process."""
        self.parents[pid] = None

    def add_member(self, process: ProcessId) -> None:
        """Watch another process and what is below it."""
        self.members[process.pid] = process

    def owns(self, environment: Mapping[str, str]) -> bool:
        """Tell whether a process with this environment is part of the job, wherever it is found."""
        if self.only is not None and job_marker(environment, {}) != self.only:
            return False
        if self.tag is not None and environment.get(TAG_VARIABLE) == self.tag:
            return True
        return job_name(environment) in self.jobs
