"""`hangprobe attach`: a look at jobs and programs that run already."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol, TextIO

import typer

from hangprobe.agent.hosts import allocation, hosts_in
from hangprobe.attach.nodes import Round
from hangprobe.attach.sweep import Sweep, Wanted
from hangprobe.cli import options
from hangprobe.cli.codes import worst
from hangprobe.cli.folders import check_file, make, write_result
from hangprobe.errors.base import UsageError
from hangprobe.errors.jobs import NoJobFound
from hangprobe.policy import Policy
from hangprobe.record import encode, write_whole
from hangprobe.report.sweep import TOLD, summary, unknown_lines
from hangprobe.report.text import lines
from hangprobe.result import Result

LOOKED_FOR = "What to look at"


def attach(
    pids: Annotated[
        list[int] | None, typer.Argument(metavar="PID", help="Processes: mpiexec, a rank, any program.", min=1)
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every process of yours; as root everybody's.", rich_help_panel=LOOKED_FOR)
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The processes of this name, as ps -e shows it.", rich_help_panel=LOOKED_FOR),
    ] = None,
    hosts: Annotated[
        str | None,
        typer.Option(
            metavar="NODES",
            help="The jobs on these nodes: a node file, or node[01-64],login.",
            rich_help_panel=LOOKED_FOR,
        ),
    ] = None,
    job: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The jobs on the nodes of this PBS or Slurm job.", rich_help_panel=LOOKED_FOR),
    ] = None,
    deadline: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=2.0,
            max=options.DAY_S,
            help="How long the nodes may take to answer.",
            rich_help_panel=options.WATCHING,
        ),
    ] = 15.0,
    remote_python: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="The Python with hangprobe on the nodes (default: this one).",
            rich_help_panel=options.WATCHING,
            show_default=False,
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again and again until all have ended.", rich_help_panel=LOOKED_FOR)
    ] = False,
    patience: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.0,
            max=options.DAY_S,
            help="For how long to look again where a sleeping thread may still end a wait.",
            rich_help_panel=options.WATCHING,
        ),
    ] = 3.0,
    interval: options.Interval = 2.0,
    stall_after: options.StallAfter = 60.0,
    no_stacks: options.NoStacks = False,
    json: options.Json = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Write result.json and report.md there (default: nowhere).",
            rich_help_panel=options.OUTPUT,
            show_default=False,
        ),
    ] = None,
    quiet: options.Quiet = False,
) -> int:
    """Look at jobs that run already; starts nothing in them and ENDS nothing.

    PID may be mpiexec (all its ranks here are looked at), one rank, or any
    other program. Two looks at /proc prove a hang, however long ago it began.

    Exit codes: 0 ok, 4 unknown, 5 stall, 124 hang; 2 wrong usage or no such
    process; several jobs: the first present of 124, 5, 4, 0.

    Example: hangprobe attach $(pgrep -f mpiexec)

    Example: hangprobe attach --all
    """
    _check_choice(pids, everything, name, hosts, job)
    check_file(json)
    folder = make(out) if out is not None else None
    policy = Policy(interval_s=interval, stall_after_s=stall_after, has_stacks=not no_stacks)
    looks: Looks
    if hosts is not None or job is not None:
        given = allocation(job) if job is not None else None
        nodes = given.hosts if given is not None else hosts_in(hosts or "")
        looks = NodeLooks(Round(nodes, policy, patience, deadline, remote_python or sys.executable, given))
    else:
        looks = LocalLooks(Sweep(Wanted(tuple(dict.fromkeys(pids or [])), name), policy), patience)
    talk = Talk(sys.stderr if json == "-" else sys.stdout, quiet, everything)
    results: list[Result] = []
    talk.begin(len(looks.hosts) if isinstance(looks, NodeLooks) else 0, deadline)
    try:
        for results in _looks(looks, interval if watch else None):
            talk.tell(results)
    finally:
        _write(results, json, folder)
    return worst(result.verdict for result in results)


def _check_choice(*choices: object) -> None:
    if sum(bool(choice) for choice in choices) != 1:
        known = "PIDs, --all, --name NAME, --hosts NODES, --job ID"
        raise UsageError("attach must be told what to look at, in one way", f"give one of {known}")


class Looks(Protocol):
    """Something that can be looked at again and again."""

    def look(self) -> list[Result]:
        """Return the results of a look."""

    def is_anything_left(self) -> bool:
        """Tell whether a further look makes sense."""


@dataclass(slots=True)
class LocalLooks:
    """Looks at this node."""

    sweep: Sweep
    patience_s: float
    _has_looked: bool = False

    def look(self) -> list[Result]:
        """Look at what was asked for; later at what is left of it."""
        if self._has_looked:
            self.sweep.look_again()
        else:
            self.sweep.look()
        self._has_looked = True
        self.sweep.settle(self.patience_s)
        return list(self.sweep.results())

    def is_anything_left(self) -> bool:
        """Tell whether anything still runs."""
        return self.sweep.is_anything_left()


@dataclass(slots=True)
class NodeLooks:
    """Looks at several nodes."""

    round: Round

    @property
    def hosts(self) -> tuple[str, ...]:
        """The nodes."""
        return self.round.hosts

    def look(self) -> list[Result]:
        """Ask every node once. Raises NoJobFound if that is so at the first time."""
        return self.round.look()

    def is_anything_left(self) -> bool:
        """Tell whether a further look makes sense: it does until it finds no job (NoJobFound)."""
        return True


def _looks(looks: Looks, interval_s: float | None) -> Iterator[list[Result]]:
    """Yield the results of one look, or of one look after the other until everything has ended."""
    yield looks.look()
    is_over = interval_s is None
    while not is_over:
        is_over = not looks.is_anything_left()  # asked first: what ends between the two is told by the last look
        if not is_over and interval_s is not None:
            time.sleep(interval_s)
        try:
            yield looks.look()
        except NoJobFound:
            return


@dataclass(slots=True)
class Talk:
    """What `attach` says, and where: everything once, then what has changed."""

    stream: TextIO
    is_quiet: bool
    is_sweep: bool
    _told: dict[tuple[str, int], object] = field(default_factory=dict)

    def begin(self, nodes: int, deadline_s: float) -> None:
        """Say what takes longer than a moment, to whoever sits there."""
        if nodes and sys.stderr.isatty() and not self.is_quiet:
            print(f"asking {nodes} nodes; the slowest has {deadline_s:g} s", file=sys.stderr, flush=True)

    def tell(self, results: Sequence[Result]) -> None:
        """Tell of results that say anything new."""
        if self.is_quiet:
            return
        is_first = not self._told
        new = [result for result in results if self._is_new(result)]
        told = [result for result in new if not self.is_sweep or result.verdict in TOLD]
        for result in told:
            print("\n".join(lines(result)), end="\n\n", file=self.stream)
        if self.is_sweep and (is_first or new):
            print("\n".join([summary(results), *unknown_lines(new)]), file=self.stream)
        self.stream.flush()

    def _is_new(self, result: Result) -> bool:
        key = ("", 0) if not result.ranks else (result.ranks[0].host, result.ranks[0].pid)
        says = (result.verdict, tuple((rank.rank, rank.state) for rank in result.ranks), len(result.findings))
        is_new = self._told.get(key) != says
        self._told[key] = says
        return is_new


def _write(results: Sequence[Result], json: str | None, folder: Path | None) -> None:
    if not results:
        return
    data = b"".join(encode(result) for result in results)
    if json == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    elif json is not None:
        write_whole(Path(json), data)
    for number, result in enumerate(results, 1):
        if folder is not None:
            write_result(folder if len(results) == 1 else make(folder / f"{number:03}"), result)
