"""How the times of two cells compare: the ratio of their geometric means, with bootstrap intervals.

Geometric means and not medians: times of a start-up are skewed to the right and compared as a factor, which a mean of
logarithms is made for (Fleming and Wallace, CACM 29 (1986) 218); it does not depend on which cell is the divisor; and
a bootstrap of a median at n = 20 takes a handful of values only (Efron and Tibshirani, An Introduction to the
Bootstrap, 1993). Everything here holds for completed trials only: say so beside the number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hangprobe.model import Frozen
from hangprobe.stats.rates import LEVEL

RESAMPLES = 9999
"""Odd thousands less one: quantiles fall on a resample. The ends then vary by about 1 % of the interval's width."""
SEED = 20
FEWEST = 5
"""Below this no interval is given. At 5 a cell it covers with 96 to 97 % as it is made here (BCa alone: 87 to 91 %)."""

PLACES = 12
"""Of a logarithm: beyond what any clock can tell apart, and before what floating point gets wrong."""


class Ratio(Frozen, frozen=True):
    """Geometric mean of a divided by that of b."""

    estimate: float | None
    """None if one of them has no value."""
    low: float | None
    high: float | None
    """None: no interval; `why` says why not."""
    n_a: int
    n_b: int
    why: str | None = None
    is_paired: bool = False
    """Whether it is the geometric mean of the ratios within blocks; n_a and n_b are then the number of blocks."""
    level: float = LEVEL


def ratio_of(a: Sequence[float], b: Sequence[float], level: float = LEVEL, seed: int = SEED) -> Ratio:
    """Return the ratio a / b of independent samples of positive values.

    The interval is BCa (Efron, JASA 82 (1987) 171) at a level widened for small samples (Hesterberg, The American
    Statistician 69 (2015) 371, "expanded percentile"). The same seed gives the same interval. Of one value, or of
    values that are all alike, there is an estimate and no interval. Raises ValueError for values that are not positive.
    """
    logs_a, logs_b = _logs(a), _logs(b)
    if not a or not b:
        return Ratio(None, None, None, len(a), len(b), "no completed trial", level=level)
    estimate = math.exp(_mean(logs_a) - _mean(logs_b))
    why = _why_not([logs_a, logs_b])
    low, high = (None, None) if why else _interval([logs_a, logs_b], level, seed)
    return Ratio(estimate, low, high, len(a), len(b), why, level=level)


def ratio_in_blocks(a: Mapping[int, float], b: Mapping[int, float], level: float = LEVEL, seed: int = SEED) -> Ratio:
    """Return the ratio a / b within blocks (block -> value), over the blocks in which both have a value.

    What slows a whole block (a busy machine) cancels out, so this is the one to prefer where few blocks are lost.
    Otherwise as `ratio_of`.
    """
    blocks = sorted(a.keys() & b.keys())
    if not blocks:
        return Ratio(None, None, None, 0, 0, "no block in which both completed", is_paired=True, level=level)
    logs = [
        above - below for above, below in zip(_logs([a[k] for k in blocks]), _logs([b[k] for k in blocks]), strict=True)
    ]
    why = _why_not([logs])
    low, high = (None, None) if why else _interval([logs], level, seed)
    return Ratio(math.exp(_mean(logs)), low, high, len(blocks), len(blocks), why, is_paired=True, level=level)


def _logs(values: Sequence[float]) -> list[float]:
    """Return the logarithms. Raises ValueError for what has none."""
    for value in values:
        if not 0 < value < math.inf:
            raise ValueError(f"{value} has no place in a ratio: only positive values have")
    return [math.log(value) for value in values]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _why_not(samples: Sequence[Sequence[float]]) -> str | None:
    """Return why there is no interval; None if there is one."""
    fewest = min(map(len, samples))
    if fewest < FEWEST:
        return f"{fewest} value{'s' if fewest > 1 else ''}: too few for an interval, which takes {FEWEST}"
    if all(max(sample) - min(sample) < 10**-PLACES for sample in samples):
        return "all values are alike, so how they would vary is not known"
    return None


def _interval(samples: Sequence[Sequence[float]], level: float, seed: int) -> tuple[float, float]:
    """Return both ends of the ratio; `samples` are logarithms, of one (differences) or two."""
    import numpy as np
    from scipy.stats import bootstrap

    def gap(*each: Any, axis: int = -1) -> Any:
        means = [np.mean(values, axis=axis) for values in each]
        # rounded: of few values many resamples are equal, and BCa counts those below and those equal to the estimate
        return np.round(means[0] - means[1] if len(means) > 1 else means[0], PLACES)

    found = bootstrap(
        [np.asarray(sample) for sample in samples],
        gap,
        n_resamples=RESAMPLES,
        confidence_level=_widened(level, min(map(len, samples))),
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return math.exp(float(found.low)), math.exp(float(found.high))


def _widened(level: float, size: int) -> float:
    """Return the level at which a bootstrap covers as often as `level` says.

    A resample of n varies less than a sample of n does, by (n - 1) / n, and its tails are a normal's, not a t's.
    """
    from scipy.stats import norm, t

    tail = float(norm.sf(math.sqrt(size / (size - 1)) * float(t.isf((1 - level) / 2, size - 1))))
    return 1 - 2 * tail
