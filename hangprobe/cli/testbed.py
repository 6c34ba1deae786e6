"""`hangprobe testbed`: a cluster of namespaces on this machine."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hangprobe.cli.folders import check_file
from hangprobe.errors.base import UsageError
from hangprobe.errors.jobs import CommandNotStarted
from hangprobe.errors.tools import TestbedExists, TestbedMissing
from hangprobe.record import write_whole
from hangprobe.testbed import ending, state
from hangprobe.testbed.cluster import DEFAULT, Testbed
from hangprobe.testbed.health import Health, look
from hangprobe.testbed.layout import LOGIN

app = typer.Typer(help="A cluster of several nodes on this machine, with a real sshd each.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", metavar="NAME", help="Which testbed; several can be up.")]


@app.command()
def up(
    nodes: Annotated[int, typer.Argument(metavar="N", help="How many nodes: node01, node02 ...")],
    slurm: Annotated[bool, typer.Option("--slurm", help="Start a real Slurm on it.")] = False,
    share: Annotated[
        list[Path] | None,
        typer.Option("--share", metavar="DIR", help="A folder below /tmp, /run or /dev/shm to be visible inside too."),
    ] = None,
    name: Name = DEFAULT,
) -> None:
    """Make a testbed, which stays until `down`.

    Nodes have their own addresses, host names, process tables, /tmp, /run and
    /dev/shm; the working directory and everything else is visible on them.
    HOME is a folder of the testbed; ssh asks for no password.

    Example: hangprobe testbed up 3
    """
    began_s = time.monotonic()
    try:
        bed = Testbed.up(nodes, name, shares=share or (), has_slurm=slurm, is_detached=True)
    except TestbedExists:
        bed = Testbed.find(name)
        if (bed.state.nodes, bed.state.has_slurm) != (nodes, slurm):
            raise
        print(f"testbed '{name}' is up already: {_describe(bed)}")
    else:
        print(f"testbed '{name}' is up after {time.monotonic() - began_s:.2f} s: {_describe(bed)}")


@app.command("exec", context_settings={"allow_interspersed_args": False})
def execute(
    node: Annotated[str, typer.Argument(metavar="NODE", help="node01, node02 ... or login.")],
    command: Annotated[list[str], typer.Argument(metavar="CMD", help="The command and its arguments.")],
    root: Annotated[
        bool,
        typer.Option("--root", help="As the testbed's root, on login only: `ip link set v2 down` cuts node02 off."),
    ] = False,
    name: Name = DEFAULT,
) -> NoReturn:
    """Run a command on a node, by ssh, or on the login node.

    Standard descriptors and exit status are the command's own; it starts in
    the working directory, if that is visible there.

    Example: hangprobe testbed exec login mpiexec -hosts node01,node02 hostname
    """
    if root and node != LOGIN:
        raise UsageError("--root is for the login node", f"hangprobe testbed exec --root {LOGIN} CMD")
    bed, has_terminal = Testbed.find(name), os.isatty(0) and os.isatty(1)
    words = bed.administer(command) if root else bed.command(node, command, has_terminal=has_terminal)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and an exec would hand that on
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(words[0], words)
    except OSError as error:
        raise CommandNotStarted(words[0], error.strerror or str(error), 127) from None


@app.command()
def status(
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write it as one line of JSON; - is stdout.")
    ] = None,
    name: Name = DEFAULT,
) -> None:
    """Show nodes, addresses, who keeps the testbed, and whether each sshd answers."""
    check_file(json_file)
    health = look(Testbed.find(name))
    if json_file is not None and json_file != "-":
        write_whole(Path(json_file), health.document().encode())
    print(health.document() if json_file == "-" else _table(health), end="")


@app.command()
def down(name: Name = DEFAULT) -> None:
    """End all processes of a testbed and remove its files."""
    began_s = time.monotonic()
    try:
        bed = Testbed.find(name)
    except TestbedMissing:
        if not ending.clear(state.folder_of(name)):
            raise
        print(f"testbed '{name}' had been killed; its folder is removed")
        return
    bed.down()
    print(f"testbed '{name}' is down after {time.monotonic() - began_s:.2f} s; nothing of it is left")


def _describe(bed: Testbed) -> str:
    nodes = bed.nodes[0] if len(bed.nodes) == 1 else f"{bed.nodes[0]} to {bed.nodes[-1]}"
    return f"login, {nodes}{', Slurm' if bed.state.has_slurm else ''}; kept by process {bed.state.owner_pid}"


def _answers(does: bool) -> str:
    return "answers" if does else "DOES NOT ANSWER"


def _table(health: Health) -> str:
    rows = [f"testbed '{health.name}', up since {health.since}, kept by process {health.owner_pid}, {health.folder}"]
    rows += [f"  {node.name}  {node.address.ljust(11)}  sshd {_answers(node.has_sshd)}" for node in health.nodes]
    return "\n".join(rows) + "\n"
