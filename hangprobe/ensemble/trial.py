"""Run one trial: an ensemble as a job under the watchdog, observed on every node, ended, and checked to be gone.

The subject is a child process (htex_child.py) with whatever Parsl it has: a hung Parsl is a job like any other. Its
managers are started through hangprobe's words (`launch_cmd`), so that every node has an observer, and its tasks leave
marks, so that workers stand where ranks stand in another job.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from hangprobe.agent.joint.linking import Link, tag_of
from hangprobe.context.values import LaunchContext
from hangprobe.ensemble.ends import TrialEnds
from hangprobe.ensemble.interruptions import held_back
from hangprobe.ensemble.leftovers import Swept, sweep_nodes
from hangprobe.ensemble.measures import Measures, measure
from hangprobe.ensemble.outcomes import Facts, judge, short
from hangprobe.ensemble.records import Planned, Settings, Trial
from hangprobe.launch.session import Capture, LaunchSpec
from hangprobe.observe.crew import Crew
from hangprobe.policy import Policy
from hangprobe.probe import Outcome as Probed
from hangprobe.probe import probe
from hangprobe.ranksets import fold, spoken, unfold
from hangprobe.record import write_whole
from hangprobe.result import Finding, Result, StartedAlike

CHILD = Path(__file__).with_name("htex_child.py")
TRIAL_FOLDER = "%t"
INTERVAL_S = 0.5
"""Between two samples: a hang lasts until its trial is ended, and a trial should not pay for being told at once."""
LATE_S = 15.0
"""Beyond the trial's own time: the driver should notice first that it is up, and say so."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where trials are run."""

    name: str
    """`testbed`, `pbs`, `slurm`, `local`."""
    nodes: tuple[str, ...]
    mpi_bins: Mapping[str, str] = field(default_factory=dict)
    """By MPI: the folder that has its mpiexec; none for `path`."""


@dataclass(frozen=True, slots=True)
class Runner:
    """What makes trials of planned ones."""

    site: Site
    settings: Settings
    pythons: Mapping[str, str]
    """By Parsl version, as cells name it: the Python of its environment."""

    def __call__(self, planned: Planned, folder: Path) -> Trial:
        """Run one trial in a fresh folder.

        Raises KeyboardInterrupt, SystemExit(143) once the trial has been ended; OSError and HangprobeError for one that
        cannot be made, of which nothing is left either.
        """
        began, began_s = time.time(), time.monotonic()
        tag = tag_of(f"trial-{planned.number}")
        marks = folder / "marks"
        marks.mkdir()
        with Link(tag, folder, crew=marks) as link, _stdin(folder, self.settings.driver_stdin) as stdin:
            specification = self._specification(planned, folder, _words(folder, tag, marks, link.prefix))
            python = self.pythons[planned.cell.parsl]
            spec = LaunchSpec(
                (python, str(CHILD), str(specification)),
                tag,
                self._environment(planned, folder, marks),
                # old Parsls write scripts to wherever they are; a user's configuration may name files from here
                cwd=folder if self.settings.config is None else Path.cwd(),
                capture=Capture(folder / "driver.out", folder / "driver.err", stdin),
                remove=(link.path,),
            )
            ends = TrialEnds(marks, self.settings.task_timeout_s, self.settings.trial_timeout_s + LATE_S)
            policy = Policy(interval_s=INTERVAL_S, stall_after_s=self.settings.stall_after_s)
            crew = Crew(marks, socket.gethostname())
            with held_back() as hold:
                try:
                    probed = probe(
                        spec, ends, policy, None, folder / "record.jsonl", started=hold, link=link, crew=crew
                    )
                finally:
                    swept = sweep_nodes(tag, self.site.nodes)
        if probed.by_signal is not None:
            raise KeyboardInterrupt if probed.by_signal == signal.SIGINT else SystemExit(128 + probed.by_signal)
        write_whole(folder / "result.json", msgspec.json.encode(probed.result) + b"\n")
        return self._trial(planned, _Watched(probed, ends, began, began_s, swept), folder)

    def _specification(self, planned: Planned, folder: Path, prefix: tuple[str, ...]) -> Path:
        """Write what htex_child.py reads, and the file that names the nodes."""
        settings, cell = self.settings, planned.cell
        nodes = folder / "nodes"
        nodes.write_text("".join(f"{node}\n" for node in self.site.nodes))
        specification = {
            "folder": str(folder),
            "config": settings.config,
            "nodes": self.site.nodes,
            "node_file": str(nodes),
            "workers_per_node": settings.workers_per_node,
            "tasks_per_worker": settings.tasks_per_worker,
            "launcher": cell.launcher,
            "mpi": cell.mpi,
            "mpi_bin": self.site.mpi_bins.get(cell.mpi),
            "prefix": prefix,
            "workload": cell.workload,
            "workload_path": str(Path.cwd()),
            "deadline_s": settings.trial_timeout_s,
        }
        path = folder / "spec.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(specification)) + b"\n")
        return path

    def _environment(self, planned: Planned, folder: Path, marks: Path) -> dict[str, str]:
        """Return what the driver finds in its environment beside hangprobe's own."""
        mpi, own = self.site.mpi_bins.get(planned.cell.mpi), f"{sys.prefix}/bin"
        # as in an activated environment: GNU parallel may be there, and a namesake on PATH
        folders = (mpi, own, os.environ.get("PATH")) if mpi is not None else (os.environ.get("PATH"), own)
        variables = {"HANGPROBE_MARKS": str(marks), "PATH": ":".join(each for each in folders if each)}
        return variables | {"PBS_NODEFILE": str(folder / "nodes")}

    def _trial(self, planned: Planned, watched: _Watched, folder: Path) -> Trial:
        """Return what all of it comes to."""
        result, swept = watched.probed.result, watched.swept
        measures = measure(folder, watched.began, result.ranks, result.findings)
        trouble = [f"{each.host} could not be looked at afterwards: {each.why}" for each in swept.silent]
        stuck = (*(f"{socket.gethostname()}: {each}" for each in watched.probed.ended.left), *swept.stuck)
        trouble += [f"{each} could not be ended" for each in dict.fromkeys(stuck)]
        facts = Facts(
            expected=self._expected(measures),
            managers=measures.managers,
            tasks=measures.tasks,
            verdict=result.verdict,
            findings=result.findings,
            exit_status=result.exit_status,
            block_ended=measures.block_ended,
            words=measures.words,
            refused=measures.refused,
            trouble="; ".join([*trouble, *([measures.failed] if measures.failed else [])]) or None,
            ended_because=watched.ends.said,
        )
        judged = judge(facts)
        return Trial(
            number=planned.number,
            block=planned.block,
            cell=planned.cell,
            control=planned.control,
            started_at=result.started_at,
            duration_s=round(time.monotonic() - watched.began_s, 3),
            outcome=judged.outcome,
            why=judged.why,
            words=measures.words,
            managers_expected=facts.expected,
            managers=measures.managers,
            tasks=measures.tasks,
            registered_s=measures.registered_s,
            first_task_s=measures.first_task_s,
            makespan_s=measures.makespan_s,
            throughput=measures.throughput,
            verdict=result.verdict.value,
            detected_after_s=result.detected_after_s,
            findings=tuple(finding.but(says=_of_workers(finding)) for finding in result.findings),
            contexts=_of_managers(result, folder),
            leftovers=swept.found,
            unseen=swept.unseen,
        )

    def _expected(self, measures: Measures) -> tuple[str, ...]:
        """Return the hosts on which managers are to run, one entry for each; a user's configuration may want fewer.

        They are called as their managers call them: a node file may have `x1.hsn.site.gov` where hostname(1) has `x1`.
        """
        if measures.is_here:
            return (socket.gethostname(),) * (measures.expected or 1)
        known = {short(manager.host): manager.host for manager in measures.managers}
        return tuple(known.get(short(node), node) for node in self.site.nodes[: measures.expected or None])


class _Watched(NamedTuple):
    """A trial that has been watched to its end."""

    probed: Probed
    ends: TrialEnds
    began: float
    """By the wall clock."""
    began_s: float
    """By the monotonic clock."""
    swept: Swept


def _of_workers(finding: Finding) -> str:
    """Return a finding's sentence with workers where another job has ranks."""
    ranks = spoken(unfold(finding.ranks))
    return finding.says.replace(ranks, ranks.replace("rank", "worker"), 1)


def _of_managers(result: Result, folder: Path) -> tuple[StartedAlike, ...]:
    """Return what the launcher gave the managers, by their index, with one name for the folders of all trials."""
    index = {
        rank.rank: int(rank.detail["manager"])
        for rank in result.ranks
        if rank.detail is not None and "worker" not in rank.detail
    }
    found = ((fold(index[rank] for rank in unfold(each.ranks) if rank in index), each) for each in result.contexts)
    return tuple(StartedAlike(ranks, _anywhere(each.context, str(folder))) for ranks, each in found if ranks)


def _anywhere(context: LaunchContext, folder: str) -> LaunchContext:
    """Return a launch context in which a trial's folder is called `%t`: no two trials have the same."""
    variables = context.variables
    if variables is not None:
        values = tuple((name, value.replace(folder, TRIAL_FOLDER)) for name, value in variables.values)
        variables = variables.but(values=values)
    where = context.folder.replace(folder, TRIAL_FOLDER) if context.folder is not None else None
    return context.but(folder=where, variables=variables)


def _words(folder: Path, tag: str, marks: Path, prefix: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words that stand before each manager: hangprobe's own, and the job's tag, in a script.

    Not every launcher hands on an environment, and Parsl writes a launcher's command into a here-document, in which
    the shell replaces whatever has a dollar sign.
    """
    words = ("/usr/bin/env", f"HANGPROBE_JOB={tag}", f"HANGPROBE_MARKS={marks}", *prefix)
    path = folder / "manager.sh"
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    return ("/bin/sh", str(path))


@contextmanager
def _stdin(folder: Path, kind: str) -> Iterator[Path]:
    """Yield the driver's standard input: /dev/null, or a pipe that nobody writes to while the trial lasts."""
    if kind == "null":
        yield Path(os.devnull)
        return
    path = folder / "stdin"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield path
    finally:
        os.close(descriptor)
        path.unlink()
