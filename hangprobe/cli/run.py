"""`hangprobe run`: reproducers under mpiexec, watched, explained and compared with what the manifest expects."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

import typer

from hangprobe.cli import options
from hangprobe.cli.codes import Code, worst
from hangprobe.cli.folders import check_file, default_folder, make, write_result
from hangprobe.cli.follow import Lines, LiveTable
from hangprobe.cli.jobs import Job, Start, is_expected, plan, run_one, start_of
from hangprobe.probe import Ends, OnHang, OnStall
from hangprobe.record import encode, write_whole
from hangprobe.report.text import headline, lines
from hangprobe.result import Result


def run(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="What to run: see hangprobe list.")],
    ranks: Annotated[int, typer.Option("--ranks", "-n", min=1, help="MPI ranks.")] = 4,
    variant: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which variant (default: the first one).", show_default=False)
    ] = None,
    every_variant: Annotated[bool, typer.Option("--all", help="Run every variant.")] = False,
    mitigate: Annotated[
        str | None, typer.Option(metavar="SLUG", help="Apply a mitigation: the same file must then run to its end.")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, metavar="K", help="Run each K times.")] = 1,
    expect: Annotated[
        bool, typer.Option("--expect", help="Return 0 if every verdict is the manifest's, else 1.")
    ] = False,
    hosts: Annotated[
        str | None,
        typer.Option(
            metavar="NODES",
            help="Run on these nodes, filled one after the other: a node file, or node[01-64],login.",
            show_default=False,
        ),
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="The first N of --hosts, of this PBS or Slurm job, or $HANGPROBE_HOSTS; else N pretended here.",
            show_default=False,
        ),
    ] = None,
    mpi: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="mpich, openmpi or impi: the environment that scripts/envs made.", show_default=False
        ),
    ] = None,
    mpiexec: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="The launcher (default: this Python's, else PATH's).", show_default=False),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=1.0,
            max=options.YEAR_S,
            help="End what still runs, as unknown.",
            rich_help_panel=options.ENDING,
        ),
    ] = 300.0,
    interval: options.Interval = 0.25,
    stall_after: options.StallAfter = 60.0,
    no_stacks: options.NoStacks = False,
    on_hang: options.OnHangOption = OnHang.KILL,
    on_stall: options.OnStallOption = OnStall.KILL,
    grace: options.Grace = 10.0,
    json: options.Json = None,
    out: options.Out = None,
    quiet: options.Quiet = False,
) -> int:
    """Run reproducers under mpiexec and report what becomes of each.

    A hung job is ended once its hang has stood for the grace period.
    Nothing is left running in any case.

    Exit codes: 0 ok, 1 failed, 4 unknown, 5 stall, 124 hang; 2 wrong usage,
    125 no mpiexec that fits, or an unwritable folder; several jobs: the worst of them.

    Example: hangprobe run bcast_under_lock --grace 1

    Example: hangprobe run bcast_under_lock --mitigate spawn

    Example: hangprobe run launcher_stdin --mpi impi --nodes 2 --ranks 6

    Example: hangprobe run bcast_under_lock --hosts node[01-03] --ranks 6
    """
    jobs = list(plan(names, variant, every_variant, mitigate, repeat))
    check_file(json)
    start = start_of(mpi, mpiexec, ranks, nodes, hosts)
    base = make(out or default_folder(names[0] if len(set(names)) == 1 else "run"))
    policy = options.policy(interval, stall_after, grace, no_stacks)
    ends = Ends(on_hang, on_stall, grace, timeout)
    stream = sys.stderr if json == "-" else sys.stdout
    talk = Talk(stream, quiet)
    results: list[Result] = []
    matches: list[bool] = []
    status: int | None = None
    try:
        for job in jobs:
            folder = base if len(jobs) == 1 else make(base / job.name)
            with talk.follow(job, start) as listener:
                outcome = run_one(job, start, folder, policy, ends, listener)
            results.append(outcome.result)
            write_result(folder, outcome.result)
            matches.append(is_expected(outcome.result, job, start))
            talk.result(outcome.result, job, start, matches[-1] if expect else None, folder)
            if outcome.by_signal is not None:
                status = 128 + outcome.by_signal
                break
    finally:
        if json is not None and results:
            _write_json(json, results)
    if status is not None:
        return status
    if expect:
        return Code.OK if all(matches) else Code.FAILED
    return worst(result.verdict for result in results)


@dataclass(slots=True)
class Talk:
    """What `run` says, and where."""

    stream: TextIO
    is_quiet: bool

    def say(self, line: str) -> None:
        """Print one line."""
        if self.is_quiet:
            return
        try:
            print(line, file=self.stream, flush=True)
        except BrokenPipeError:  # its reader has seen enough; the job and its results go on
            self.is_quiet = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())

    def follow(self, job: Job, start: Start) -> AbstractContextManager[Lines | LiveTable]:
        """Return what follows a running job: a live table on a terminal, else lines."""
        title = f"{job.program.name}, variant {job.variant.name}, {start.ranks} ranks"
        kind = " pretended" if start.is_pretended else ""
        title += f" on {start.nodes}{kind} nodes" if start.nodes > 1 else f" on {start.hosts[0]}" if start.hosts else ""
        title += f", mitigation {job.mitigation}" if job.mitigation else ""
        if self.stream.isatty() and not self.is_quiet:
            return LiveTable(title, self.stream)
        self.say(f"running {title} ...")
        return Lines(self.say, has_heartbeat=True)

    def result(self, result: Result, job: Job, start: Start, is_expected: bool | None, folder: Path) -> None:
        """Print what became of a job."""
        is_long = result.findings or result.verdict.value not in {"ok"}
        self.say("\n".join(lines(result) if is_long else _short(result)))
        if is_expected is not None:
            expected = job.variant.under(start.environment.flavour.launcher)
            self.say("as expected" if is_expected else f"NOT as expected: {expected}")
        self.say(f"results: {_near(folder)}\n")


def _short(result: Result) -> list[str]:
    from hangprobe.report.text import start_methods

    return [headline(result), f"children seen in the live tree: {start_methods(result)}"]


def _near(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def _write_json(target: str, results: Sequence[Result]) -> None:
    data = b"".join(encode(result) for result in results)
    if target == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    else:
        write_whole(Path(target), data)
