"""How start-up and throughput relate under two launchers, over completed trials only. Pure.

Times of hung trials are not times of anything; so these figures say what a launcher costs where it works.
"""

from __future__ import annotations

from collections.abc import Sequence

from hangprobe.ensemble.records import Cell
from hangprobe.report.comparison.pairs import partners
from hangprobe.report.comparison.values import CellResult, MeasuredRatio
from hangprobe.stats.ratios import Ratio, ratio_in_blocks, ratio_of

MEASURES = {
    "registered_s": "time to all managers registered",
    "first_task_s": "time to the first task",
    "makespan_s": "makespan",
    "throughput": "tasks a second",
}
"""Field of `Times` -> in words."""


def ratios(cells: Sequence[CellResult], seed: int) -> tuple[MeasuredRatio, ...]:
    """Return the ratios, second launcher by first, of every measure that both have in a completed trial."""
    found = []
    for first, second in partners(cells):
        for measure in MEASURES:
            ratio = _ratio(_by_block(second, measure), _by_block(first, measure), seed)
            if ratio is not None and ratio.estimate is not None:
                found.append(_measured(measure, first.cell, second.cell, ratio))
    return tuple(found)


def _by_block(result: CellResult, measure: str) -> dict[int, float]:
    values = {each.block: getattr(each, measure) for each in result.times}
    return {block: value for block, value in values.items() if value is not None and value > 0}


def _ratio(above: dict[int, float], below: dict[int, float], seed: int) -> Ratio | None:
    """Return the ratio within blocks unless that would leave out more than half of what there is."""
    common = above.keys() & below.keys()
    if 2 * len(common) >= min(len(above), len(below)) > 0:
        return ratio_in_blocks(above, below, seed=seed)
    return ratio_of(list(above.values()), list(below.values()), seed=seed) if above and below else None


def _measured(measure: str, first: Cell, second: Cell, ratio: Ratio) -> MeasuredRatio:
    return MeasuredRatio(
        measure=measure,
        first=first,
        second=second,
        estimate=ratio.estimate or 0.0,
        low=ratio.low,
        high=ratio.high,
        n_first=ratio.n_b,
        n_second=ratio.n_a,
        is_paired=ratio.is_paired,
        why=ratio.why,
    )
