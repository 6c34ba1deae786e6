"""Workloads that never complete under a launcher and are not called hung there: stalled, failed, lost. Pure.

Only a hang counts as hung, so no rate has them; but whoever looks for what changing the launcher does wants to know
that such a workload ends under the other one, or under none.
"""

from __future__ import annotations

from collections.abc import Sequence

from hangprobe.ensemble.outcomes import UNASKED
from hangprobe.ensemble.records import Cell, Outcome
from hangprobe.report.comparison.cells import could_hang
from hangprobe.report.comparison.names import OUTCOMES, launcher, plain, subject
from hangprobe.report.comparison.values import CellResult, Comparison, Effect, Pair, Unfinished

TOLD = frozenset({Effect.NOT_CURED, Effect.RARER, Effect.CURES})
"""Effects of pairs that are told as hangs."""
OPEN = frozenset({Outcome.HUNG, Outcome.STALLED})
"""Outcomes of trials that did not end; with others it ended, and not well."""


def unfinished(pairs: Sequence[Pair], cells: Sequence[CellResult]) -> tuple[Unfinished, ...]:
    """Return the pairs of which one side never completed, and the other never or always did."""
    results = {each.cell: each for each in cells}
    every = list(results)
    found = (_pair(results[each.first], results[each.second], every) for each in pairs if each.effect not in TOLD)
    return tuple(each for each in found if each is not None)


def ends_nowhere(comparison: Comparison) -> list[Unfinished]:
    """Return the workloads that completed under no launcher, but those that are told as hangs that were cured."""
    ended = {each.first for each in comparison.unfinished if not each.is_neither}
    ended |= {each.first for each in comparison.pairs if each.effect is Effect.CURES}
    return [each for each in comparison.unfinished if each.is_neither and each.first not in ended]


def _pair(first: CellResult, second: CellResult, every: Sequence[Cell]) -> Unfinished | None:
    if first.control is not None or not could_hang(first) or not could_hang(second):
        return None
    shares = [_completed(each) / could_hang(each) for each in (first, second)]
    never = [each for each, share in zip((first, second), shares, strict=True) if share == 0]
    if not never or max(shares) not in {0, 1} or all(each.rate.hung == could_hang(each) for each in never):
        return None
    name, names = f"`{plain(subject(first.cell, every))}`", [launcher(each.cell.launcher) for each in (first, second)]
    verb = "end" if all(_is_open(each) for each in never) else "complete"
    if len(never) == 2:
        says = (
            f"{name} does not {verb} under either: {_ended(first)} under {names[0]}, {_ended(second)} under {names[1]}"
        )
    else:
        bad, good = (0, 1) if never[0] is first else (1, 0)
        says = f"{name} does not {verb} under {names[bad]} ({_ended(never[0])}) and does under {names[good]}"
        says += f" ({_ended((first, second)[good])})"
    return Unfinished(first.cell, second.cell, len(never) == 2, f"{says}; only a hang is counted as one.")


def _completed(result: CellResult) -> int:
    return result.outcomes.get(Outcome.COMPLETED.value, 0)


def _is_open(result: CellResult) -> bool:
    return could_hang(result) == sum(result.outcomes.get(each.value, 0) for each in OPEN)


def _ended(result: CellResult) -> str:
    """Return how the started trials of a cell ended: "20 of 20 stalled"."""
    found = [f"{result.outcomes[each.value]} of {result.rate.started} {OUTCOMES[each]}" for each in _ran(result)]
    return ", ".join(found)


def _ran(result: CellResult) -> list[Outcome]:
    left_out = UNASKED | {Outcome.INFRASTRUCTURE}
    return [each for each in Outcome if each not in left_out and result.outcomes.get(each.value)]
