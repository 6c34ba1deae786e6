"""The pipeline for a job on several nodes: go in -> one double collect a node -> join -> judge -> explain -> conclude.

Every remote step has a deadline, and what did not answer is in the document: a diagnosis never hangs itself.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hangprobe.agent.hosts import Allocation, Batch
from hangprobe.agent.look import fanout
from hangprobe.agent.look.join import join, missing
from hangprobe.agent.look.nodereport import NodeReport, unpack
from hangprobe.conclude import conclude
from hangprobe.errors.jobs import NoJobFound
from hangprobe.model import Unreadable, Verdict
from hangprobe.observe.reader import Reader
from hangprobe.observe.starters import starters
from hangprobe.policy import Policy
from hangprobe.ranksets import fold_hosts
from hangprobe.result import Result

LATE_S = 1.0
"""What a node's own deadline is shorter than ours: its report must still come here."""


@dataclass(frozen=True, slots=True)
class Round:
    """How to go in, and how long that may take."""

    hosts: tuple[str, ...]
    policy: Policy
    patience_s: float = 3.0
    deadline_s: float = 15.0
    python: str = sys.executable
    allocation: Allocation | None = None
    by_ssh: Callable[[Sequence[str], Sequence[str], float], fanout.Answers] = fanout.by_ssh

    def look(self) -> list[Result]:
        """Return one document for each job on these hosts; takes `deadline_s` seconds at most, and a little."""
        reports, failed = self._ask()
        own = NodeReport(socket.gethostname(), (), starters(Reader(), socket.gethostname()))
        joined = join([*reports, own], self.policy)
        results = []
        for job in joined:
            began = datetime.fromtimestamp(job.began_s, UTC)
            age_s = (datetime.now(UTC) - began) / timedelta(seconds=1)
            result = conclude(job, job.command, None, None, began, age_s)
            unseen = missing(job)
            unreadable = (*failed, *filter(None, [unseen]), *result.unreadable)
            is_partly_seen = result.verdict is Verdict.OK and (failed or unseen)
            verdict = Verdict.UNKNOWN if is_partly_seen else result.verdict
            results.append(result.but(unreadable=unreadable, verdict=verdict))
        if not results:
            raise NoJobFound(fold_hosts(self.hosts), [f"{each.what}: {each.why}" for each in failed])
        return results

    def _ask(self) -> tuple[list[NodeReport], list[Unreadable]]:
        """Return the reports, and the nodes that gave none with what they did instead."""
        reports: list[NodeReport] = []
        failed: list[Unreadable] = []
        for host, answer in self._answers().items():
            report = unpack(answer) if isinstance(answer, bytes) else answer
            if isinstance(report, str):
                failed.append(Unreadable(host, report))
                continue
            reports.append(report)
            failed += [Unreadable(f"{host}: {each.what}", each.why, each.barrier) for each in report.unreadable]
        return reports, failed

    def _answers(self) -> fanout.Answers:
        command = self._command()
        if self.allocation is not None and self.allocation.batch is Batch.SLURM:
            return fanout.by_srun(self.allocation.job, self.hosts, command, self.deadline_s)
        if self.allocation is not None and os.environ.get("PBS_JOBID") == self.allocation.job:
            with tempfile.TemporaryDirectory(prefix=".hangprobe-", dir=Path.cwd()) as folder:  # seen by every node
                return fanout.by_pbsdsh(self.hosts, command, self.deadline_s, Path(folder))
        here = [host for host in self.hosts if host.partition(".")[0] == socket.gethostname().partition(".")[0]]
        others = [host for host in self.hosts if host not in here]
        answers = self.by_ssh(others, command, self.deadline_s) if others else {}
        answers.update({host: fanout.by_fork(command, self.deadline_s) for host in here[:1]})
        return {host: answers[host] for host in self.hosts if host in answers}

    def _command(self) -> tuple[str, ...]:
        window = ("--stall-after", f"{self.policy.stall_after_s:g}", "--patience", f"{self.patience_s:g}")
        stacks = () if self.policy.has_stacks else ("--no-stacks",)
        deadline = ("--deadline", f"{max(1.0, self.deadline_s - LATE_S):g}")
        return (self.python, "-m", "hangprobe.agent.look.node", *window, *deadline, *stacks)
