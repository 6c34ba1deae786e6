"""Which jobs a `run` is made of, how each is started, and whether it was the job that was asked for."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hangprobe.errors import LauncherMismatch, NodesRefused, UnknownName, UsageError
from hangprobe.launch import output, pretended
from hangprobe.launch.environments import MPIS, Environment, of_launcher, of_mpi
from hangprobe.launch.mpijob import CommandLine, MpiJob
from hangprobe.launch.session import Capture, LaunchSpec
from hangprobe.model import Launcher, Verdict
from hangprobe.policy import Policy
from hangprobe.probe import Ends, Listener, Outcome, probe
from hangprobe.programs import ProgramFile, Variant, load, pick
from hangprobe.ranksets import fold, unfold
from hangprobe.result import Program, Result

PRETENDING = {Launcher.HYDRA, Launcher.INTEL}
"""Open MPI tells nodes by their hosts' names: on pretended ones its ranks share segments, hang or end in MPI_Init."""


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


@dataclass(frozen=True, slots=True)
class Start:
    """How every job of a `run` is started."""

    environment: Environment
    ranks: int
    nodes: int
    """Pretended ones, a proxy each; 1: this machine as it is."""

    @property
    def ranks_per_node(self) -> int:
        """At most so many; the last nodes may have fewer."""
        return -(-self.ranks // self.nodes)

    def command_line(self, job: Job, folder: Path, scratch: Path) -> CommandLine:
        """Return what starts a job whose output goes to `folder`."""
        wanted = MpiJob(self.ranks, (self.environment.python, *job.arguments), output=folder, scratch=scratch)
        if self.nodes > 1:
            wanted = replace(
                wanted,
                hosts=pretended.hosts(self.nodes),
                ranks_per_node=self.ranks_per_node,
                stand_in=pretended.write_stand_in(scratch),
            )
        return self.environment.flavour.command_line(wanted)


def start_of(mpi: str | None, mpiexec: str | None, ranks: int, nodes: int) -> Start:
    """Return how to start what a command line asks for. Raises UsageError, LauncherMissing, EnvironmentMissing."""
    if mpi is not None and mpiexec is not None:
        raise UsageError("--mpi and --mpiexec exclude each other", "give one of them")
    if mpi is not None and mpi not in MPIS:
        raise UnknownName("MPI", mpi, list(MPIS), "--mpi NAME")
    if nodes > ranks:
        raise UsageError(f"--nodes {nodes} is more than --ranks {ranks}", "give every node a rank")
    environment = of_mpi(mpi) if mpi is not None else of_launcher(mpiexec)
    if nodes > 1 and environment.flavour.launcher not in PRETENDING:
        raise NodesRefused(environment.flavour.launcher)
    return Start(environment, ranks, nodes)


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


def run_one(job: Job, start: Start, folder: Path, policy: Policy, ends: Ends, listener: Listener) -> Outcome:
    """Run one job, its output captured in `folder`. Raises LauncherMismatch if it was not the job asked for."""
    program = Program(job.program.name, job.variant.name, job.mitigation)
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    try:
        line = start.command_line(job, folder, scratch)
        spec = LaunchSpec(
            line.arguments,
            tag=f"{job.name}-{os.getpid()}-{job.number}",
            environment={**line.unset(os.environ), "HANGPROBE_MARKS": str(folder)},
            capture=Capture(folder / "launcher.out", folder / "launcher.err"),
        )
        outcome = probe(spec, ends, policy, listener, folder / "record.jsonl", program)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    output.settle(folder)
    if outcome.by_signal is None and outcome.result.verdict in {Verdict.OK, Verdict.HANG, Verdict.STALL}:
        check_size(folder, start)
    return outcome


def check_size(folder: Path, start: Start) -> None:
    """Check by the marks of its ranks that a job had the size asked for. Raises LauncherMismatch.

    A rank marks its start once, in the file of the rank that it believes to be: many starts of rank 0 are many jobs.
    """
    texts = {path.stem: path.read_text() for path in folder.glob("rank-*.marks")}
    starts = sum(line.split()[2:] == ["start"] for text in texts.values() for line in text.splitlines())
    if len(texts) == start.ranks:
        return
    what = f"{starts} of {start.ranks} ranks seen"
    if starts > len(texts):
        what = f"{starts} jobs of one rank instead of one of {start.ranks}"
    raise LauncherMismatch(start.environment.flavour.path, start.environment.python, what)


def is_expected(result: Result, job: Job, start: Start) -> bool:
    """Tell whether the result is what the manifest expects; with a mitigation: whether the job ended well."""
    expected = job.variant.under(start.environment.flavour.launcher)
    if job.mitigation is not None:
        return result.verdict.value == "ok"
    if result.verdict is not expected.verdict or result.tier is not expected.tier:
        return False
    held = [finding for finding in result.findings if finding.tier is expected.tier and not finding.recovered]
    if expected.mechanism is None:
        return True
    hung = fold(rank for finding in held if finding.mechanism == expected.mechanism for rank in unfold(finding.ranks))
    locks = {finding.detail.get("lock") for finding in held if finding.mechanism == expected.mechanism}
    return hung == expected.ranks(start.ranks, start.ranks_per_node) and (
        expected.lock is None or locks == {expected.lock}
    )
