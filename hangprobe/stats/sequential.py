"""Stopping a comparison as soon as it is sure, without being sure too often: a group-sequential design.

Looking five times in 20 blocks and stopping at p < 0.05 finds a difference where none is in 9 % of campaigns, looking
more often in more. Here the looks are fixed beforehand, each has its share of the error rate, and the boundaries are
computed exactly for two binomial counts (`crossing`): no normal approximation, which at the 4 or 8 trials of a first
look would not hold. By simulation 4.9 % of campaigns err at most (both rates 1/2), 0.2 % where both are 5 % or 95 %.

- The shares follow the Pocock type of Lan and DeMets (Biometrika 70 (1983) 659), alpha ln(1 + (e - 1) t). A hang is
  mostly all or nothing, and then this type stops at the first look, after 4 blocks of 20. The O'Brien-Fleming type
  gives that look 1/4000 of the error rate, with which 4 of 4 against 0 of 4 proves nothing. The price: at the last look
  the evidence must be stronger than one test of all the trials would ask for.
- A time-uniform confidence sequence would need no plan, and more trials: its bound pays for looks that nobody takes.
- The intervals are repeated confidence intervals (Jennison and Turnbull, JRSS B 51 (1989) 305): at each look all
  differences that the same design does not reject there. All of them together cover as often as they say, whatever
  the reason to stop was, so a campaign that is cut short has an honest interval, too.

Trials count as independent. For several comparisons in one campaign make the plan with alpha / their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

from hangprobe.ensemble.records import Look
from hangprobe.model import Frozen
from hangprobe.stats.differences import ends
from hangprobe.stats.families import ALPHA

MOST_LOOKS = 5
"""More save few trials on average (Pocock, Biometrics 38 (1982) 153) and cost evidence at the last."""

MOST_EXPONENT = 100.0
"""e^100 is rare enough, and no overflow."""


class Decision(Frozen, frozen=True):
    """What a look allows."""

    may_stop: bool
    """Whether it is sure that the rates differ: `low` to `high` does not hold 0."""
    says: str
    """One sentence without a full stop."""
    low: float
    high: float
    """Of rate a minus rate b, adjusted for all looks of the plan."""
    level: float
    is_close: bool = False
    """Whether it is sure that the rates differ by less than the margin that was given."""


def looks(blocks: int, alpha: float = ALPHA) -> tuple[Look, ...]:
    """Return when to look and what each look may spend: at most five looks, the last after all blocks.

    The first comes as soon as it could stop anything: when all trials of one cell hung and none of the other. Raises
    ValueError for less than one block, or an alpha that is not between 0 and 1.
    """
    if blocks < 1 or not 0 < alpha < 1:
        raise ValueError(f"{blocks} blocks, alpha {alpha}: at least one block, and an alpha between 0 and 1")
    # all against nothing, either way round, is likeliest where every trial hangs with 1/2: 2 (1/4)^n
    first = next((n for n in range(1, blocks) if 2 * 0.25**n <= _spending(n / blocks, alpha)), blocks)
    count = min(MOST_LOOKS, blocks - first + 1)
    at = [first + round(k * (blocks - first) / (count - 1)) for k in range(count)] if count > 1 else [blocks]
    spent = [_spending(each / blocks, alpha) for each in at]
    return tuple(
        Look(each, share) for each, share in zip(at, [spent[0], *(b - a for a, b in pairwise(spent))], strict=True)
    )


def _spending(fraction: float, alpha: float) -> float:
    """Return the error rate that may have been spent after a fraction of the blocks."""
    return alpha * math.log1p((math.e - 1) * fraction)


def decide(
    look_index: int,
    hung_a: int,
    n_a: int,
    hung_b: int,
    n_b: int,
    plan: Sequence[Look],
    earlier: Sequence[tuple[int, int]] | None = None,
    margin: float | None = None,
) -> Decision:
    """Return whether two cells are known to differ at a look of the plan (counted from 0).

    `earlier` are the started trials of both at the looks before, in order; None: as many as planned, if there are as
    many by now. Give them wherever trials do not count (a block that is no evidence): the error rate is held for the
    numbers given. What hung at earlier looks is not asked for. With a `margin` it is also told whether the rates are
    known to differ by less: the interval holds for any reason to stop. Raises ValueError for what cannot be.

    Takes half a second at 20 blocks, four at 60; the same question is answered from memory.
    """
    sizes = _sizes(look_index, n_a, n_b, plan, earlier)
    if not (0 <= hung_a <= n_a and 0 <= hung_b <= n_b):
        raise ValueError(f"{hung_a} of {n_a} and {hung_b} of {n_b} cannot be")
    alpha = math.fsum(look.alpha for look in plan)
    low, high = -1.0, 1.0
    may_stop = False
    if n_a and n_b:
        spent = tuple(accumulate(look.alpha for look in plan[: look_index + 1]))
        low, high, may_stop = _interval(sizes, spent, hung_a, hung_b)
    within = margin if margin is not None and low > -margin and high < margin else None
    says = _says(look_index, sizes[-1], (hung_a, hung_b), plan, (low, high), within)
    return Decision(may_stop, says, low, high, 1 - alpha, within is not None)


def _sizes(
    index: int, n_a: int, n_b: int, plan: Sequence[Look], earlier: Sequence[tuple[int, int]] | None
) -> tuple[tuple[int, int], ...]:
    """Return the started trials at every look so far. Raises ValueError where they do not grow or are too few."""
    if not 0 <= index < len(plan):
        raise ValueError(f"look {index} of a plan of {len(plan)}")
    if earlier is None:
        earlier = [(min(look.blocks, n_a), min(look.blocks, n_b)) for look in plan[:index]]
    sizes = (*earlier, (n_a, n_b))
    if len(sizes) != index + 1:
        raise ValueError(f"{len(earlier)} earlier looks given where there were {index}")
    if any(a > later_a or b > later_b for (a, b), (later_a, later_b) in pairwise(((0, 0), *sizes))):
        raise ValueError(f"started trials cannot become fewer: {sizes}")
    return sizes


@lru_cache(maxsize=4096)
def _interval(
    sizes: tuple[tuple[int, int], ...], spent: tuple[float, ...], hung_a: int, hung_b: int
) -> tuple[float, float, bool]:
    """Return the differences not rejected at the last of these looks, from and to, and whether 0 is not among them."""
    from hangprobe.stats.crossing import boundaries
    from hangprobe.stats.scores import TIE, scores

    n_a, n_b = sizes[-1]

    def rarer(shift: float) -> float:
        score = float(scores(n_a, n_b, shift)[hung_a, hung_b]) + TIE
        boundary = boundaries(sizes, spent, shift)[-1]
        if score == math.inf or boundary == math.inf:
            return float(score == math.inf)
        return math.exp(min(MOST_EXPONENT, (score**2 - boundary**2) / 2))  # as a normal's density falls

    low, high = ends(rarer, hung_a / n_a - hung_b / n_b)
    return low, high, low > 0 or high < 0


def _says(
    index: int,
    size: tuple[int, int],
    hung: tuple[int, int],
    plan: Sequence[Look],
    interval: tuple[float, float],
    within: float | None,
) -> str:
    """Return the look in words; `within` is the margin if the rates are known to differ by less."""
    (n_a, n_b), (hung_a, hung_b), (low, high) = size, hung, interval
    seen = f"after {plan[index].blocks} of {plan[-1].blocks} blocks {hung_a} of {n_a} against {hung_b} of {n_b} hung"
    if not n_a or not n_b:
        return f"{seen}: nothing can be said of a cell without a started trial"
    sure = f"({100 * (1 - math.fsum(look.alpha for look in plan)):.3g} % confidence, adjusted for {len(plan)} looks)"
    span = f"{100 * low:+.0f} to {100 * high:+.0f} percentage points {sure}"
    if low > 0 or high < 0:
        return f"{seen}: the rates differ, by {span}"
    if within is not None:
        return f"{seen}: the rates differ by less than {100 * within:.3g} percentage points, the difference is {span}"
    if index + 1 < len(plan):
        return f"{seen}: not sure yet, the difference may be {span}"
    return f"{seen}: no difference is shown, which leaves {span}"
