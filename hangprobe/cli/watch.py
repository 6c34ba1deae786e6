"""`hangprobe watch`: any command under the watchdog, as transparent as timeout(1)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hangprobe.cli import options, reach
from hangprobe.cli.codes import Code
from hangprobe.cli.folders import check_file, default_folder, make, write_result
from hangprobe.cli.follow import Lines
from hangprobe.errors.base import HangprobeError
from hangprobe.errors.jobs import GuardianLost
from hangprobe.launch.relay import leave_like
from hangprobe.launch.session import LaunchSpec, Session
from hangprobe.model import Verdict
from hangprobe.probe import Ends, OnHang, OnStall, Outcome, probe
from hangprobe.record import encode, write_whole
from hangprobe.report.text import lines


def watch(
    command: Annotated[list[str], typer.Argument(metavar="CMD", help="The command and its arguments.")],
    interval: options.Interval = 0.25,
    stall_after: options.StallAfter = 60.0,
    no_stacks: options.NoStacks = False,
    on_hang: options.OnHangOption = OnHang.KILL_PROVEN,
    on_stall: options.OnStallOption = OnStall.REPORT,
    grace: options.Grace = 10.0,
    json: options.Json = None,
    out: options.Out = None,
    this_node: options.ThisNode = False,
    quiet: options.Quiet = False,
) -> NoReturn:
    """Run any command under the watchdog; ENDS it if a hang is proven.

    A proven hang that has stood for the grace period is ended, all processes
    of it. So is whatever the command leaves running when it ends by itself.

    Ranks on other nodes are watched too where CMD begins with a launcher that
    is recognised: mpiexec of MPICH, Intel MPI, Open MPI, PALS; srun; GNU
    parallel. hangprobe puts some words before the application for that; in a
    script that calls a launcher, write {probe} where they belong. It takes
    pyzmq, and a folder that all nodes see: the working directory, or
    $HANGPROBE_LINKS.

    The command keeps its standard descriptors, terminal and signals, as under
    timeout(1). When all is well nothing is printed and no folder is written.

    Exit codes: the command's own status (128+N for a signal); 124 hangprobe
    ended it; 125 hangprobe failed; 126, 127 the command could not be run.

    Example: hangprobe watch -- mpiexec -n 4 python app.py

    Example: hangprobe watch -- mpiexec -f nodes -n 64 ./app

    Example: hangprobe watch -- sh -c "mpiexec -f nodes -n 64 {probe} ./app"
    """
    options.refuse_stdout(json)
    check_file(json)
    folder = make(out) if out is not None else None
    ends = Ends(on_hang, on_stall, grace)
    policy = options.policy(interval, stall_after, grace, no_stacks)
    say = _say if not quiet else _say_nothing
    listener = Lines(say, has_heartbeat=False)
    record = folder / "record.jsonl" if folder is not None else None
    try:
        with reach.around(command, lambda line: say(f"hangprobe: {line}"), not this_node) as (placed, given):
            spec = LaunchSpec(placed, given.tag, written=tuple(command), remove=given.files)
            outcome = probe(spec, ends, policy, listener, record, started=Session.release_stdio, link=given.link)
    except GuardianLost as error:
        _say(f"hangprobe: {error}; its processes have been ended")
        _leave(Code.ERROR)
    try:
        _write(outcome, folder, json, quiet)
    except (OSError, HangprobeError) as error:
        _say(f"hangprobe: cannot write the results: {error}")
    if outcome.result.ended_by == "hangprobe":
        _leave(Code.HANG)
    sys.stderr.flush()
    leave_like(outcome.exit)


def _write(outcome: Outcome, folder: Path | None, json: str | None, is_quiet: bool) -> None:
    """Write results where asked for, or where there is something to tell."""
    result = outcome.result
    if folder is None and result.verdict in {Verdict.HANG, Verdict.STALL}:
        folder = make(default_folder(Path(result.command[0]).name))
    if folder is not None:
        write_result(folder, result)
    if json is not None:
        write_whole(Path(json), encode(result))
    if result.verdict in {Verdict.HANG, Verdict.STALL} and not is_quiet:
        _say("\n".join(lines(result)))
        _say(f"results: {folder}")


def _leave(code: int) -> NoReturn:
    sys.stderr.flush()
    os._exit(code)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _say_nothing(line: str) -> None:
    return
