"""Which jobs a `run` is made of, how each is started, and whether it was the job that was asked for."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hangprobe.agent.hosts import allocated, hosts_in
from hangprobe.cli import reach
from hangprobe.errors.base import UnknownName, UsageError
from hangprobe.errors.jobs import FolderUnseen, LauncherMismatch, NodesRefused
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

FORWARDED = ("HANGPROBE_JOB", "HANGPROBE_MARKS")
FORWARDED_IF_SET = ("PYTHONPATH", "LD_LIBRARY_PATH")
"""What ranks on other nodes need of this environment; a launcher that hands on everything needs no telling."""
FIRST_WORDS = 300
"""Characters of the launcher's own complaint in a message."""


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
    hosts: tuple[str, ...] = ()
    """The nodes, if they are real. None of them: this machine as it is, or several nodes pretended on it."""

    @property
    def is_pretended(self) -> bool:
        """Whether there are several nodes, a launcher's proxy each, all of them on this machine."""
        return self.nodes > 1 and not self.hosts

    @property
    def ranks_per_node(self) -> int:
        """At most so many; the last node may have fewer."""
        return -(-self.ranks // self.nodes)

    def command_line(self, job: Job, folder: Path, scratch: Path, prefix: tuple[str, ...] = ()) -> CommandLine:
        """Return what starts a job whose output goes to `folder`; `prefix` stands before the program of every rank."""
        command = (*prefix, self.environment.python, *job.arguments)
        wanted = MpiJob(self.ranks, command, output=folder)
        if self.hosts:
            # the launcher's scratch stays on each node: a shared file system is no place for segments and sockets
            forward = (*FORWARDED, *(name for name in FORWARDED_IF_SET if name in os.environ))
            wanted = replace(wanted, hosts=self.hosts, ranks_per_node=self.ranks_per_node, forward=forward)
        elif self.is_pretended:
            wanted = replace(
                wanted,
                hosts=pretended.hosts(self.nodes),
                ranks_per_node=self.ranks_per_node,
                stand_in=pretended.write_stand_in(scratch),
                scratch=scratch,
            )
        else:
            wanted = replace(wanted, scratch=scratch)
        return self.environment.flavour.command_line(wanted)


def start_of(
    mpi: str | None,
    mpiexec: str | None,
    ranks: int,
    nodes: int | None = None,
    hosts: str | None = None,
    variables: Mapping[str, str] = os.environ,
) -> Start:
    """Return how to start what a command line asks for. Raises UsageError, LauncherMissing, EnvironmentMissing."""
    if mpi is not None and mpiexec is not None:
        raise UsageError("--mpi and --mpiexec exclude each other", "give one of them")
    if mpi is not None and mpi not in MPIS:
        raise UnknownName("MPI", mpi, list(MPIS), "--mpi NAME")
    real = real_nodes(nodes, hosts, variables)
    count = len(real) or nodes or 1
    check_share(ranks, count)
    environment = of_mpi(mpi) if mpi is not None else of_launcher(mpiexec)
    start = Start(environment, ranks, count, real)
    if start.is_pretended and environment.flavour.launcher not in PRETENDING:
        raise NodesRefused(environment.flavour.launcher)
    return start


def real_nodes(nodes: int | None, hosts: str | None, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the nodes to run on; none where nothing asks for several, or nothing offers real ones. Raises UsageError.

    In a job of a batch system `--nodes N` are the first N of its nodes, not pretended ones.
    """
    if nodes is None and hosts is None:
        return ()
    known = hosts_in(hosts) if hosts is not None else allocated(variables)
    if known and nodes is not None and nodes > len(known):
        where = "--hosts" if hosts is not None else "this allocation"
        raise UsageError(f"--nodes {nodes}, and {where} has {len(known)}", f"--nodes {len(known)}, or less")
    return known[:nodes]


def check_share(ranks: int, nodes: int) -> None:
    """Check that every node gets a rank: they are filled one after the other, evenly. Raises UsageError."""
    if nodes > ranks:
        raise UsageError(f"--nodes {nodes} is more than --ranks {ranks}", "give every node a rank")
    per_node = -(-ranks // nodes)
    filled = -(-ranks // per_node)
    if filled < nodes:
        raise UsageError(
            f"--ranks {ranks} are {per_node} a node, and fill {filled} of {nodes} nodes",
            f"--ranks {per_node * nodes}, or --nodes {filled}",
        )


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
    """Run one job, its output captured in `folder`. Raises LauncherMismatch, FolderUnseen: not the job asked for."""
    program = Program(job.program.name, job.variant.name, job.mitigation)
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    try:
        with reach.opened(job.name, folder if start.hosts else None) as given:
            line = start.command_line(job, folder, scratch, given.prefix)
            spec = LaunchSpec(
                line.arguments,
                tag=given.tag,
                environment={**line.unset(os.environ), "HANGPROBE_MARKS": str(folder)},
                capture=Capture(folder / "launcher.out", folder / "launcher.err"),
                written=start.command_line(job, folder, scratch).arguments,
                remove=given.files,
            )
            outcome = probe(spec, ends, policy, listener, folder / "record.jsonl", program, link=given.link)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    output.settle(folder)
    # a rank that cannot write its marks fails, and only on other nodes is that a likely cause
    telling = {Verdict.OK, Verdict.HANG, Verdict.STALL} | ({Verdict.FAILED, Verdict.UNKNOWN} if start.hosts else set())
    if outcome.by_signal is None and outcome.result.verdict in telling:
        check_size(folder, start)
    return outcome


def check_size(folder: Path, start: Start) -> None:
    """Check by the marks of its ranks that a job had the size asked for. Raises LauncherMismatch, FolderUnseen.

    A rank marks its start once, in the file of the rank that it believes to be: many starts of rank 0 are many jobs.
    """
    texts = {path.stem: path.read_text() for path in folder.glob("rank-*.marks")}
    starts = sum(line.split()[2:] == ["start"] for text in texts.values() for line in text.splitlines())
    if len(texts) == start.ranks:
        return
    what = f"{starts} of {start.ranks} ranks seen"
    if starts > len(texts):
        what = f"{starts} jobs of one rank instead of one of {start.ranks}"
    elif start.hosts:
        said = " ".join(_text(folder / "launcher.err").split())[:FIRST_WORDS]
        raise FolderUnseen(str(folder), f"{len(texts)} of {start.ranks} ranks left marks", said)
    raise LauncherMismatch(start.environment.flavour.path, start.environment.python, what)


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


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
