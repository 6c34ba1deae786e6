"""Cells that differ in their launcher alone, and what changing it does. Pure.

The word "cures" is earned, not read off: no trial hung under the other launcher, and the difference stands after Holm's
correction *with every trial of the other launcher that did not complete counted as hung*. So a launcher that fails for
reasons of its own cures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hangprobe.ensemble.records import Cell
from hangprobe.ensemble.sureness import Standing
from hangprobe.ensemble.sureness import pairs as alike
from hangprobe.report.comparison.cells import could_hang, otherwise
from hangprobe.report.comparison.design import CLOSE, known
from hangprobe.report.comparison.names import launcher
from hangprobe.report.comparison.values import ALPHA, CellResult, Effect, Pair
from hangprobe.stats.differences import Difference, difference
from hangprobe.stats.families import Adjusted, holm
from hangprobe.stats.rates import rate

Key = tuple[Cell, Cell]
TEST = "exact group-sequential test of two rates, repeated confidence interval"


def partners(cells: Sequence[CellResult]) -> list[tuple[CellResult, CellResult]]:
    """Return each cell of the launcher that users have first with the same one under every other launcher.

    GNU parallel has nothing to do with MPI and is run once: it is the partner of the cells of every MPI.
    """
    results = {each.cell: each for each in cells}
    return [(results[first], results[second]) for first, second in alike([each.cell for each in cells])]


class _Evidence(NamedTuple):
    """What the figures of two cells show; differences are second minus first."""

    is_less: bool
    """Fewer hung under the second, with every one of its trials that did not complete counted as hung."""
    is_more: bool
    shown: dict[str, Any]
    """Fields of `Pair`."""
    why_open: str = "too few trials"


NOTHING = _Evidence(is_less=False, is_more=False, shown={})


def pairs(cells: Sequence[CellResult], standing: Standing | None = None) -> tuple[Pair, ...]:
    """Return what every other launcher does to each workload; `standing` is that of a campaign that may stop early."""
    couples = [each for each in partners(cells) if each[0].rate.started and each[1].rate.started]
    evidence = _at_look(standing) if standing is not None else _at_end(couples)
    found = []
    for first, second in partners(cells):
        if not (first.rate.started and second.rate.started):
            found.append(_pair(first, second, Effect.NO_EVIDENCE, _unstarted(first, second), {}))
            continue
        seen = evidence.get(_key(first, second), NOTHING)
        effect, why = _effect(first, second, seen)
        found.append(_pair(first, second, effect, why, {} if effect is Effect.NO_EVIDENCE else seen.shown))
    return tuple(found)


def _at_end(couples: Sequence[tuple[CellResult, CellResult]]) -> dict[Key, _Evidence]:
    """Return what is shown by as many trials as were planned: exact tests, and Holm's correction."""
    plain = {_key(*each): _difference(*each, 0) for each in couples}
    severe = {_key(*each): _difference(*each, otherwise(each[1])) for each in couples}
    controls = {_key(*each) for each in couples if each[0].control is not None}
    adjusted, against = _adjusted(plain, controls), _adjusted(severe, controls)
    return {
        key: _Evidence(
            is_less=(severe[key].estimate or 0) < 0 and against[key].is_rejected,
            is_more=(seen.estimate or 0) > 0 and adjusted[key].is_rejected,
            shown={
                "difference": seen.estimate,
                "low": seen.low,
                "high": seen.high,
                "p_value": seen.p_value,
                "adjusted_p": adjusted[key].adjusted_p,
                "test": seen.test,
            },
        )
        for key, seen in plain.items()
    }


def _at_look(standing: Standing) -> dict[Key, _Evidence]:
    """Return what is shown at the look: the intervals that belong to the design, which hold whenever one stops.

    Nothing before the first look. There is no p-value: that of one test of all trials would not know of the looks.
    """
    return {
        (each.first, each.second): _Evidence(
            is_less=each.severe.low > 0,
            is_more=each.decision.high < 0,
            shown={
                "difference": -each.estimate if each.estimate is not None else None,
                "low": -each.decision.high,
                "high": -each.decision.low,
                "test": TEST,
                "level": each.decision.level,
                "known": known(each),
            },
            why_open=f"the rates are {CLOSE}, and no more was to be known" if each.is_settled else "too few trials",
        )
        for each in standing.compared
    }


def _adjusted(seen: Mapping[Key, Difference], controls: set[Key]) -> dict[Key, Adjusted]:
    """Return the p-values after Holm; controls are no question of the campaign, and stand for themselves."""
    asked = holm({key: each.p_value for key, each in seen.items() if key not in controls}, ALPHA)
    alone = [holm({key: seen[key].p_value}, ALPHA) for key in controls]
    return {key: each for found in (asked, *alone) for key, each in found.items()}


def _effect(first: CellResult, second: CellResult, seen: _Evidence) -> tuple[Effect, str | None]:
    for each in (first, second):
        if not could_hang(each):
            return Effect.NO_EVIDENCE, _never_ran(each)
    if not first.rate.hung and not second.rate.hung:
        return Effect.NOT_REPRODUCED, None
    if seen.is_more:
        return Effect.BRINGS, None
    if second.rate.hung:
        return (Effect.RARER if seen.is_less else Effect.NOT_CURED) if first.rate.hung else Effect.UNDECIDED, None
    if seen.is_less:
        return Effect.CURES, None
    failed = otherwise(second)
    why = f"{failed} of {second.rate.started} did not complete for other reasons" if failed else seen.why_open
    return Effect.UNDECIDED, why


def _never_ran(result: CellResult) -> str:
    words = [name.replace("-", " ") for name in result.outcomes if name not in {"completed", "hung"}]
    return f"under {launcher(result.cell.launcher)} no trial came so far that it could have hung ({', '.join(words)})"


def _unstarted(first: CellResult, second: CellResult) -> str:
    names = [launcher(each.cell.launcher) for each in (first, second) if not each.rate.started]
    return f"no trial that counts under {' and '.join(names)}"


def _difference(first: CellResult, second: CellResult, counted_against: int) -> Difference:
    """Return second minus first, with some trials of the second counted as hung."""
    a, b = first.rate, second.rate
    return difference(rate(b.hung + counted_against, b.started), rate(a.hung, a.started))


def _key(first: CellResult, second: CellResult) -> Key:
    return first.cell, second.cell


def _pair(first: CellResult, second: CellResult, effect: Effect, why: str | None, shown: dict[str, Any]) -> Pair:
    """Return a pair; the difference is that of the plain rates, second minus first."""
    nothing: dict[str, Any] = dict.fromkeys(("difference", "low", "high", "p_value", "adjusted_p", "test"))
    return Pair(first=first.cell, second=second.cell, effect=effect, why=why, **(nothing | shown))
