"""`hangprobe report`: what a campaign says, told anew from its record."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hangprobe.cli.codes import Code
from hangprobe.cli.folders import check_file
from hangprobe.ensemble.reading import Kept, read, write_trials
from hangprobe.errors.base import ExtraMissing
from hangprobe.record import write_whole
from hangprobe.report.comparison import html, markdown
from hangprobe.report.comparison.build import compare
from hangprobe.report.comparison.document import document
from hangprobe.report.comparison.junit import junit

OUT = "--out FILE"


class Format(StrEnum):
    """What a report can be."""

    HTML = "html"
    MARKDOWN = "markdown"
    JUNIT = "junit"
    JSON = "json"


NAMES = {
    Format.HTML: "report.html",
    Format.MARKDOWN: "report.md",
    Format.JUNIT: "junit.xml",
    Format.JSON: "comparison.json",
}


def report(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A campaign's folder, or the trials.jsonl in it.")],
    form: Annotated[
        Format,
        typer.Option("--format", help="html: one file without any network; markdown: for tickets; junit: for CI."),
    ] = Format.HTML,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where to; - is stdout (default: report.html, report.md, junit.xml or comparison.json in the folder).",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Tell what a campaign of `hangprobe compare` says, from its record alone.

    Needs neither Parsl nor MPI, and may be run while the campaign runs: it tells
    what has been seen so far.

    Example: hangprobe report results/launchers --format markdown --out -
    """
    check_file(out, OUT)
    kept = read(path)
    target = Path(out) if out is not None else kept.folder / NAMES[form]
    if out is None:
        check_file(str(target), OUT)
    data = _written(form, kept)
    if out == "-":
        sys.stdout.buffer.write(data)
        return Code.OK
    if out is None and kept.trials:
        write_trials(kept.folder, kept.trials)
    write_whole(target, data)
    print(f"report: {target}")
    return Code.OK


def _written(form: Format, kept: Kept) -> bytes:
    """Return the report. Raises ExtraMissing."""
    try:
        comparison = compare(kept.campaign, kept.trials)
        if form is Format.MARKDOWN:
            return markdown.page(comparison).encode()
        if form is Format.JUNIT:
            return junit(comparison, kept.trials)
        if form is Format.JSON:
            return document(comparison)
        return html.page(comparison, kept.trials).encode()
    except ModuleNotFoundError as error:
        library = str(error.name).split(".")[0]
        extra = "html" if library in {"jinja2", "plotly", "markupsafe"} else "compare"
        raise ExtraMissing(library, "a report of a comparison", extra) from None
