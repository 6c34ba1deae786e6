"""Options that mean the same in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hangprobe.errors.base import UsageError
from hangprobe.policy import Policy
from hangprobe.probe import OnHang, OnStall

WATCHING = "How to watch"
ENDING = "When to end a job"
OUTPUT = "Output"

DAY_S, YEAR_S = 86_400.0, 366 * 86_400.0
"""Upper limits: more is a slip of the hand, and poll(2) takes no infinite time."""

Interval = Annotated[
    float,
    typer.Option(
        "--interval", metavar="SECONDS", min=0.01, max=DAY_S, help="Between two samples.", rich_help_panel=WATCHING
    ),
]
StallAfter = Annotated[
    float,
    typer.Option(
        "--stall-after",
        metavar="SECONDS",
        min=0.1,
        max=YEAR_S,
        help="A rank in which nothing has run for so long has stalled.",
        rich_help_panel=WATCHING,
    ),
]
NoStacks = Annotated[
    bool, typer.Option("--no-stacks", help="Do not read stacks of suspects.", rich_help_panel=WATCHING)
]
Grace = Annotated[
    float,
    typer.Option(
        "--grace",
        metavar="SECONDS",
        min=0.0,
        max=YEAR_S,
        help="How long a hang or stall must have stood before the job is ended.",
        rich_help_panel=ENDING,
    ),
]
OnHangOption = Annotated[
    OnHang,
    typer.Option(
        "--on-hang",
        help="kill-proven: end the job if the hang is proven and nothing live is left beside it.",
        rich_help_panel=ENDING,
    ),
]
OnStallOption = Annotated[OnStall, typer.Option("--on-stall", help="What to do about a stall.", rich_help_panel=ENDING)]
Json = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write one JSON document a job, a line each; - is stdout.",
        rich_help_panel=OUTPUT,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Results folder (default: hangprobe-results/UTC-NAME).",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
ThisNode = Annotated[
    bool,
    typer.Option("--this-node", help="Watch this node only: no observers elsewhere, no words before the application."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.", rich_help_panel=OUTPUT)]


def policy(interval_s: float, stall_after_s: float, grace_s: float, has_no_stacks: bool) -> Policy:
    """Return the policy that these options ask for."""
    return Policy(interval_s=interval_s, stall_after_s=stall_after_s, grace_s=grace_s, has_stacks=not has_no_stacks)


def refuse_stdout(json_file: str | None) -> None:
    """Refuse `--json -` where stdout belongs to the command."""
    if json_file == "-":
        raise UsageError("stdout belongs to the command under watch", "name a file: --json FILE")
