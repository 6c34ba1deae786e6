"""Many results in few lines: what a sweep over a machine has found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hangprobe.model import Verdict
from hangprobe.result import Result

TOLD = {Verdict.HANG, Verdict.STALL}
"""Verdicts that are told in full; of the unknown ones a line is enough."""
UNKNOWN_SHOWN = 10
NAME_WIDTH = 60


def summary(results: Sequence[Result]) -> str:
    """Return how many trees there were, and how many of them of each verdict."""
    counts = Counter(result.verdict for result in results)
    unknown = counts[Verdict.UNKNOWN]
    share = f" ({100 * unknown / len(results):.1f} %)" if results else ""
    parts = [f"{counts[Verdict.HANG]} hang", f"{counts[Verdict.STALL]} stall", f"{unknown} unknown{share}"]
    return f"looked at {len(results)} jobs and programs: {', '.join(parts)}, {counts[Verdict.OK]} ok"


def unknown_lines(results: Sequence[Result]) -> list[str]:
    """Return which trees are unknown and why, a line each."""
    unknown = [result for result in results if result.verdict is Verdict.UNKNOWN]
    text = [f"  unknown: pid {result.ranks[0].pid if result.ranks else '?'} {name(result)}: {_why(result)}"
            for result in unknown[:UNKNOWN_SHOWN]]  # fmt: skip
    more = len(unknown) - UNKNOWN_SHOWN
    return [*text, f"  and {more} more"] if more > 0 else text


def name(result: Result) -> str:
    """Return a command line in one short line."""
    words = " ".join(result.command)
    line = "".join(letter if letter.isprintable() else "?" for letter in words)
    return line if len(line) <= NAME_WIDTH else f"{line[: NAME_WIDTH - 3]}..."


def _why(result: Result) -> str:
    return next((rank.why for rank in result.ranks if rank.state.value == "unknown" and rank.why), "not told")
