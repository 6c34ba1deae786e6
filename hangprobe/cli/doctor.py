"""`hangprobe doctor`: what this machine can do, what is missing, and what brings it."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from hangprobe import __version__
from hangprobe.cli import options
from hangprobe.cli.codes import Code
from hangprobe.cli.folders import check_file
from hangprobe.record import write_whole

if TYPE_CHECKING:
    from hangprobe.doctor.checkup import Checkup

SUBJECT_WIDTH, STATE_WIDTH = 10, 9
PLAIN = (0, "", "")
STYLES = {"ok": "green", "limited": "yellow", "missing": "red", "unknown": "magenta"}


def doctor(
    no_self_test: Annotated[bool, typer.Option("--no-self-test", help="Only look; start nothing to watch.")] = False,
    mpiexec: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="The launcher (default: this Python's, else PATH's).")
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="FILE", help="Write one JSON document; - is stdout.", rich_help_panel=options.OUTPUT
        ),
    ] = None,
    quiet: options.Quiet = False,
) -> int:
    """Say what this machine can do, what is missing and what brings it.

    A self-test watches two small programs: one hangs and must be proven, one
    only looks hung and must be left alone.

    Exit codes: 0 the self-test passed (without it: nothing that a proof needs
    is missing), 1 it did not; 2 wrong usage, 125 the document cannot be written.

    Example: hangprobe doctor --json doctor.json
    """
    check_file(json)
    checkup = examine_all(not no_self_test, mpiexec, _tell if not quiet else _keep)
    stream = sys.stderr if json == "-" else sys.stdout
    if not quiet:
        show(checkup, stream)
    if json is not None:
        _write(json, checkup)
    return Code.OK if checkup.is_fit else Code.FAILED


def examine_all(has_self_test: bool, mpiexec: str | None, told: Callable[[str], None]) -> Checkup:
    """Return what every check says; the self-test comes last, for it changes this process."""
    from hangprobe.doctor.asking import Asker
    from hangprobe.doctor.checkup import Checkup, is_fit
    from hangprobe.doctor.examine import examinations, examine
    from hangprobe.doctor.selftest import self_test

    began_s = time.monotonic()
    asker = Asker()
    try:
        checks = list(examine(examinations(asker, mpiexec), told))
    finally:
        asker.close()
    if has_self_test:
        checks += self_test(told)
    duration_s = round(time.monotonic() - began_s, 3)
    return Checkup(hangprobe=__version__, is_fit=is_fit(checks), duration_s=duration_s, checks=tuple(checks))


def show(checkup: Checkup, stream: TextIO) -> None:
    """Print the table and the remedies: coloured and wrapped on a terminal, else plain lines."""
    if not stream.isatty():
        print("\n".join(line for *_, line in _lines(checkup)), file=stream, flush=True)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, soft_wrap=True)
    for indent, state, line in _lines(checkup):
        text = Text(textwrap.fill(line, console.width - 1, subsequent_indent=" " * indent, break_on_hyphens=False))
        text.stylize(STYLES.get(state, ""), indent - STATE_WIDTH, indent - STATE_WIDTH + len(state))
        console.print(text)


def _lines(checkup: Checkup) -> list[tuple[int, str, str]]:
    """Return lines as (hanging indent, state to colour before it, text)."""
    width = max(len(check.slug) for check in checkup.checks) + 2
    lines: list[tuple[int, str, str]] = []
    subject = None
    for check in checkup.checks:
        name, subject = "" if check.subject is subject else check.subject.value, check.subject
        line = f"{name:{SUBJECT_WIDTH}}{check.slug:{width}}{check.state:{STATE_WIDTH}}{check.says}"
        lines.append((SUBJECT_WIDTH + width + STATE_WIDTH, check.state.value, line))
    if lacking := [check for check in checkup.checks if check.remedy]:
        lines += [PLAIN, (0, "", "What is missing, what brings it, and what it is for:")]
        lines += [(width + 2, "", f"  {each.slug:{width}}{each.remedy}  [{each.enables}]") for each in lacking]
    return [*lines, PLAIN, (0, "", f"{_headline(checkup)} ({checkup.duration_s:.1f} s)")]


def _headline(checkup: Checkup) -> str:
    """Say what the exit code says, and no more than was tried."""
    if any(check.subject == "self-test" for check in checkup.checks):
        return "fit: hangs can be proven here" if checkup.is_fit else "NOT fit: the self-test failed"
    lack = "NOT fit: something that a proof needs is missing"
    return "fit, but not tried: nothing that a proof needs is missing" if checkup.is_fit else lack


def _tell(line: str) -> None:
    print(f"hangprobe: {line}", file=sys.stderr, flush=True)


def _keep(line: str) -> None:
    return


def _write(target: str, checkup: Checkup) -> None:
    from hangprobe.doctor.checkup import encode

    data = encode(checkup)
    if target == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    else:
        write_whole(Path(target), data)
