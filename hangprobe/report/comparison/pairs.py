"""Cells that differ in their launcher alone, and what changing it does. Pure.

The word "cures" is earned, not read off: no trial hung under the other launcher, and the difference stands after Holm's
correction *with every trial of the other launcher that did not complete counted as hung*. So a launcher that fails for
reasons of its own cures nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hangprobe.ensemble.records import Cell
from hangprobe.report.comparison.cells import could_hang, otherwise
from hangprobe.report.comparison.names import BASE_ORDER, GNU_PARALLEL, launcher
from hangprobe.report.comparison.values import ALPHA, CellResult, Effect, Pair
from hangprobe.stats.differences import Difference, difference
from hangprobe.stats.families import Adjusted, holm
from hangprobe.stats.rates import rate

Key = tuple[Cell, Cell]


def base_launcher(cells: Sequence[CellResult]) -> str | None:
    """Return the launcher that the others are compared with; None without any cell."""
    names = list(dict.fromkeys(each.cell.launcher for each in cells))
    return next((each for each in BASE_ORDER if each in names), names[0] if names else None)


def partners(cells: Sequence[CellResult]) -> list[tuple[CellResult, CellResult]]:
    """Return each cell of the base launcher with the same one under every other launcher.

    GNU parallel has nothing to do with MPI and is run once: it is the partner of the cells of every MPI.
    """
    base = base_launcher(cells)
    own = [each for each in cells if each.cell.launcher == base]
    others = [each for each in cells if each.cell.launcher != base]
    return _one_each([(first, second) for first in own for second in others if _is_like(first.cell, second.cell)])


def _is_like(first: Cell, second: Cell) -> bool:
    if (first.workload, first.parsl) != (second.workload, second.parsl):
        return False
    return first.mpi == second.mpi or second.launcher in GNU_PARALLEL


def _one_each(found: list[tuple[CellResult, CellResult]]) -> list[tuple[CellResult, CellResult]]:
    """Return one partner for each cell and launcher: that of the same MPI where there is one."""
    best: dict[tuple[Cell, str], tuple[CellResult, CellResult]] = {}
    for first, second in found:
        key = (first.cell, second.cell.launcher)
        if key not in best or first.cell.mpi == second.cell.mpi:
            best[key] = (first, second)
    return list(best.values())


def pairs(cells: Sequence[CellResult]) -> tuple[Pair, ...]:
    """Return what every other launcher does to each workload."""
    couples = [each for each in partners(cells) if each[0].rate.started and each[1].rate.started]
    plain = {_key(*each): _difference(*each, 0) for each in couples}
    severe = {_key(*each): _difference(*each, otherwise(each[1])) for each in couples}
    controls = {_key(*each) for each in couples if each[0].control is not None}
    adjusted, against = _adjusted(plain, controls), _adjusted(severe, controls)
    found = []
    for first, second in partners(cells):
        key = _key(first, second)
        seen = plain.get(key)
        if seen is None:
            found.append(_pair(first, second, Effect.NO_EVIDENCE, None, None, _unstarted(first, second)))
            continue
        is_less = (severe[key].estimate or 0) < 0 and against[key].is_rejected
        is_more = (seen.estimate or 0) > 0 and adjusted[key].is_rejected
        effect, why = _effect(first, second, is_less=is_less, is_more=is_more)
        if effect is Effect.NO_EVIDENCE:
            found.append(_pair(first, second, effect, None, None, why))
        else:
            found.append(_pair(first, second, effect, seen, adjusted[key].adjusted_p, why))
    return tuple(found)


def _adjusted(seen: Mapping[Key, Difference], controls: set[Key]) -> dict[Key, Adjusted]:
    """Return the p-values after Holm; controls are no question of the campaign, and stand for themselves."""
    asked = holm({key: each.p_value for key, each in seen.items() if key not in controls}, ALPHA)
    alone = [holm({key: seen[key].p_value}, ALPHA) for key in controls]
    return {key: each for found in (asked, *alone) for key, each in found.items()}


def _effect(first: CellResult, second: CellResult, *, is_less: bool, is_more: bool) -> tuple[Effect, str | None]:
    for each in (first, second):
        if not could_hang(each):
            return Effect.NO_EVIDENCE, _never_ran(each)
    if not first.rate.hung and not second.rate.hung:
        return Effect.NOT_REPRODUCED, None
    if is_more:
        return Effect.BRINGS, None
    if second.rate.hung:
        return (Effect.RARER if is_less else Effect.NOT_CURED) if first.rate.hung else Effect.UNDECIDED, None
    if is_less:
        return Effect.CURES, None
    failed = otherwise(second)
    why = f"{failed} of {second.rate.started} did not complete for other reasons" if failed else "too few trials"
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


def _pair(
    first: CellResult,
    second: CellResult,
    effect: Effect,
    seen: Difference | None,
    adjusted_p: float | None,
    why: str | None,
) -> Pair:
    """Return a pair; the difference is that of the plain rates, second minus first."""
    return Pair(
        first=first.cell,
        second=second.cell,
        effect=effect,
        difference=seen.estimate if seen else None,
        low=seen.low if seen else None,
        high=seen.high if seen else None,
        p_value=seen.p_value if seen else None,
        adjusted_p=adjusted_p,
        test=seen.test if seen else None,
        why=why,
    )
