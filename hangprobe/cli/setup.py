"""`hangprobe setup`: bring programs that hangprobe uses and does not contain."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hangprobe.cli import options
from hangprobe.cli.codes import Code
from hangprobe.cli.folders import check_file
from hangprobe.errors.base import UsageError
from hangprobe.record import write_whole

if TYPE_CHECKING:
    from hangprobe.launch.gnuparallel import Setup, Tell

app = typer.Typer(help="Bring programs that hangprobe uses and does not contain.", no_args_is_help=True)

PATIENCE_S = 2.0
"""So long nothing is said of what is going on; a program that is at hand takes less."""


@app.callback()
def _setup() -> None:
    """Bring programs that hangprobe uses and does not contain."""


@app.command()
def parallel(
    into: Annotated[
        Path | None,
        typer.Option("--into", metavar="DIR", help="Another environment (default: this Python's).", file_okay=False),
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="From parallel-YYYYMMDD.tar.bz2 (or .gz), or its script.", dir_okay=False
        ),
    ] = None,
    is_removal: Annotated[bool, typer.Option("--remove", help="Take away what this command has put there.")] = False,
    json: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="FILE", help="Write one JSON document; - is stdout.", rich_help_panel=options.OUTPUT
        ),
    ] = None,
    quiet: options.Quiet = False,
) -> int:
    """Put GNU parallel into the virtual environment, without root.

    A GNU parallel on PATH is linked to; else Debian's package is unpacked and
    its program copied. It is run before it is put there: moreutils and npm
    have other programs of that name. A second time nothing is done.

    Exit codes: 0 it is there (or, with --remove, gone), 1 it is not, 2 wrong usage.

    Example: hangprobe setup parallel
    """
    from hangprobe.launch import gnuparallel

    if is_removal and archive is not None:
        raise UsageError("--remove takes no --from", "hangprobe setup parallel --remove")
    for name, file in (("--from", archive), ("--into", into)):
        if file is not None and not file.exists():
            raise UsageError(f"{name} {file}: there is no such {'file' if name == '--from' else 'folder'}")
    check_file(json)
    if is_removal:
        done = gnuparallel.remove(into)
    else:
        with _progress(is_quiet=quiet) as tell:
            done = gnuparallel.install(into, archive, tell)
    if not quiet:
        print("\n".join(_lines(done)), file=sys.stderr if json == "-" else sys.stdout)
    if json is not None:
        _write(json, done)
    return Code.OK


@contextmanager
def _progress(*, is_quiet: bool) -> Iterator[Tell]:
    """Say what is going on once it takes longer than a moment, and each step from then on."""
    steps: list[str] = []
    lock, is_late = threading.Lock(), threading.Event()

    def say(step: str) -> None:
        if not is_quiet:
            print(f"hangprobe: {step} ...", file=sys.stderr, flush=True)

    def late() -> None:
        with lock:
            is_late.set()
            if steps:
                say(steps[-1])

    def tell(step: str) -> None:
        with lock:
            steps.append(step)
            if is_late.is_set():
                say(step)

    timer = threading.Timer(PATIENCE_S, late)
    timer.daemon = True
    timer.start()
    try:
        yield tell
    finally:
        timer.cancel()


def _lines(done: Setup) -> list[str]:
    """Return what to tell of it."""
    from hangprobe.launch.gnuparallel import Deed

    lines = [f"passed over {each}" for each in done.passed_over]
    record = done.record
    if done.done is Deed.INSTALLED and record is not None:
        how = "a link to" if record.is_link else "from"
        lines.append(f"GNU parallel {record.version} is now {done.path}, {how} {record.origin}")
        if record.archive_sha256 is not None:
            lines.append(f"  sha256 of that file: {record.archive_sha256}")
        lines.append(f"  sha256 of the program: {record.sha256}")
    elif done.done is Deed.ALREADY:
        lines.append(f"GNU parallel {done.version} is there already: {done.path}")
    elif done.done is Deed.FOREIGN:
        lines.append(f"GNU parallel {done.version} is there already, not put there by hangprobe: {done.path}")
    elif done.done is Deed.REMOVED:
        lines.append(f"{done.path} is removed")
    elif done.done is Deed.CHANGED:
        lines.append(f"{done.path} is no longer what was installed, and is left alone")
    else:
        lines.append(f"nothing to remove: hangprobe has not put GNU parallel into {Path(done.path).parents[1]}")
    if done.version is not None and os.path.realpath(shutil.which("parallel") or "") != os.path.realpath(done.path):
        lines.append(f"  on PATH it is not first: put {Path(done.path).parent} there, or activate the environment")
    return lines


def _write(target: str, done: Setup) -> None:
    from hangprobe.launch.gnuparallel import encode

    data = encode(done)
    if target == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    else:
        write_whole(Path(target), data)
