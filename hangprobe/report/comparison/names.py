"""How cells, launchers and outcomes are called in reports."""

from __future__ import annotations

from collections.abc import Iterable

from hangprobe.ensemble.launchers import AS_CONFIGURED, TABLE
from hangprobe.ensemble.records import Cell, Outcome

GNU_PARALLEL = ("gnu-parallel", "gnu-parallel-repaired")
OUTCOMES = {
    Outcome.COMPLETED: "completed",
    Outcome.HUNG: "hung",
    Outcome.STALLED: "stalled",
    Outcome.NOT_REGISTERED: "manager not registered",
    Outcome.WORKER_LOST: "worker lost",
    Outcome.TASK_FAILED: "task failed",
    Outcome.LAUNCHER_FAILED: "launcher failed",
    Outcome.INFRASTRUCTURE: "infrastructure",
}


def launcher(name: str) -> str:
    """Return what Parsl calls a launcher; one that is not known is called as the campaign calls it."""
    known = TABLE.get(name)
    if name == AS_CONFIGURED:
        return "the configured launcher"
    if known is None:
        return name
    return f"the repaired {known.parsl}" if known.is_repaired else known.parsl


def heading(name: str) -> str:
    """Return the same without the article."""
    return launcher(name).removeprefix("the ")


def sentence_case(text: str) -> str:
    """Return `text` with a capital first letter, whatever follows."""
    return text[:1].upper() + text[1:]


def listed(words: Iterable[str], last: str = "and") -> str:
    """Return "a, b and c"."""
    items = list(words)
    return f"{', '.join(items[:-1])} {last} {items[-1]}" if len(items) > 1 else "".join(items)


def count(number: int, noun: str) -> str:
    """Return "1 trial" or "3 trials"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def subject(cell: Cell, cells: Iterable[Cell]) -> str:
    """Return the workload, with the MPI and the Parsl where the campaign has several of them."""
    every = list(cells)
    extra = []
    if len({each.mpi for each in every}) > 1:
        extra.append(cell.mpi)
    if len({each.parsl for each in every}) > 1:
        extra.append(f"Parsl {cell.parsl}")
    return f"{cell.workload} ({', '.join(extra)})" if extra else cell.workload


def percent(share: float) -> str:
    """Return a share as a percentage without false precision; 0 and 100 are said only of what is exactly so."""
    value = 100 * share
    if 0 < value < 1 or 99 < value < 100:
        return f"{value:.1f} %"
    return f"{value:.0f} %"


def confidence(level: float) -> str:
    """Return a level of confidence: `95 %`, `98.3 %`."""
    return f"{100 * level:.3g} %"


def p_value(value: float) -> str:
    """Return a p-value as it is written: `p = 0.031`, `p = 1e-07`; below 1e-12 rounding is all that is left of it."""
    if value < 1e-12:
        return "p < 1e-12"
    return f"p = {value:.0e}" if value < 1e-3 else f"p = {value:.2g}"


def plain(text: str) -> str:
    """Return a string from the data such that it cannot be taken for code."""
    return " ".join(text.replace("`", "'").split())


def points(share: float) -> str:
    """Return a difference of rates in percentage points, with a true minus sign."""
    number = round(100 * share)
    return f"{number:+d}".replace("-", "\N{MINUS SIGN}") if number else "0"
