"""`hangprobe run`: reproducers under mpiexec, watched, explained and compared with what the manifest expects."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

import typer

from hangprobe.cli import options
from hangprobe.cli.codes import Code, worst
from hangprobe.cli.folders import check_file, default_folder, make, write_result
from hangprobe.cli.follow import Lines, LiveTable
from hangprobe.errors import UnknownName, UsageError
from hangprobe.launch.flavours import Flavour, find_mpiexec
from hangprobe.launch.session import Capture, LaunchSpec
from hangprobe.policy import Policy
from hangprobe.probe import Ends, OnHang, OnStall, Outcome, probe
from hangprobe.programs import Expected, ProgramFile, Variant, load, pick
from hangprobe.ranksets import fold, unfold
from hangprobe.record import encode, write_whole
from hangprobe.report.text import headline, lines
from hangprobe.result import Program, Result


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one variant of one program."""

    program: ProgramFile
    variant: Variant
    mitigation: str | None
    number: int

    @property
    def name(self) -> str:
        """A name for its folder."""
        parts = [self.program.name, self.variant.name if self.variant.name != "default" else "", self.mitigation or ""]
        return "-".join(filter(None, parts)) + (f"-{self.number}" if self.number > 1 else "")

    @property
    def arguments(self) -> tuple[str, ...]:
        """The program's own arguments."""
        mitigation = ("--mitigate", self.mitigation) if self.mitigation else ()
        return (str(self.program.path), *self.variant.arguments, *mitigation)


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
    mpiexec: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="The launcher (default: this Python's, else PATH's).")
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
    125 no mpiexec or an unwritable folder; several jobs: the worst of them.

    Example: hangprobe run bcast_under_lock --grace 1

    Example: hangprobe run bcast_under_lock --mitigate spawn
    """
    jobs = list(plan(names, variant, every_variant, mitigate, repeat))
    check_file(json)
    flavour = find_mpiexec(mpiexec)
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
            outcome = run_one(job, flavour, ranks, folder, policy, ends, talk)
            results.append(outcome.result)
            write_result(folder, outcome.result)
            matches.append(is_expected(outcome.result, job, ranks))
            talk.result(outcome.result, job, matches[-1] if expect else None, folder)
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


def plan(
    names: Sequence[str], variant: str | None, every_variant: bool, mitigate: str | None, repeat: int
) -> Iterator[Job]:
    """Yield the jobs that a command line asks for. Raises UnknownName before anything is started."""
    programs = load()
    if variant is not None and every_variant:
        raise UsageError("--variant and --all exclude each other", "give one of them")
    times: Counter[tuple[str, str]] = Counter()
    for name in names:
        program = pick(name, programs)
        variants = program.variants if every_variant else (program.variant(variant),)
        for each in variants:
            times[name, each.name] += repeat
            numbers = range(times[name, each.name] - repeat + 1, times[name, each.name] + 1)
            if mitigate is not None and mitigate not in each.mitigations:
                raise UnknownName("mitigation", mitigate, list(each.mitigations), f"of {name} --variant {each.name}")
            yield from (Job(program, each, mitigate, number) for number in numbers)


def run_one(job: Job, flavour: Flavour, ranks: int, folder: Path, policy: Policy, ends: Ends, talk: Talk) -> Outcome:
    """Run one job, its output captured in `folder`."""
    command = flavour.arguments(ranks, (sys.executable, *job.arguments), folder)
    spec = LaunchSpec(
        command,
        tag=f"{job.name}-{os.getpid()}-{job.number}",
        environment={"HANGPROBE_MARKS": str(folder)},
        capture=Capture(folder / "launcher.out", folder / "launcher.err"),
    )
    program = Program(job.program.name, job.variant.name, job.mitigation)
    with talk.follow(job, ranks) as listener:
        return probe(spec, ends, policy, listener, folder / "record.jsonl", program)


def is_expected(result: Result, job: Job, ranks: int) -> bool:
    """Tell whether the result is what the manifest expects; with a mitigation: whether the job ended well."""
    expected: Expected = job.variant.expected
    if job.mitigation is not None:
        return result.verdict.value == "ok"
    if result.verdict is not expected.verdict or result.tier is not expected.tier:
        return False
    held = [finding for finding in result.findings if finding.tier is expected.tier and not finding.recovered]
    if expected.mechanism is None:
        return True
    hung = fold(rank for finding in held if finding.mechanism == expected.mechanism for rank in unfold(finding.ranks))
    locks = {finding.detail.get("lock") for finding in held if finding.mechanism == expected.mechanism}
    return hung == expected.ranks(ranks) and (expected.lock is None or locks == {expected.lock})


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

    def follow(self, job: Job, ranks: int) -> AbstractContextManager[Lines | LiveTable]:
        """Return what follows a running job: a live table on a terminal, else lines."""
        title = f"{job.program.name}, variant {job.variant.name}, {ranks} ranks"
        title += f", mitigation {job.mitigation}" if job.mitigation else ""
        if self.stream.isatty() and not self.is_quiet:
            return LiveTable(title, self.stream)
        self.say(f"running {title} ...")
        return Lines(self.say, has_heartbeat=True)

    def result(self, result: Result, job: Job, is_expected: bool | None, folder: Path) -> None:
        """Print what became of a job."""
        is_long = result.findings or result.verdict.value not in {"ok"}
        self.say("\n".join(lines(result) if is_long else _short(result)))
        if is_expected is not None:
            self.say("as expected" if is_expected else f"NOT as expected: {job.variant.expected}")
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
