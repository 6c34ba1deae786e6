"""How often a cell hung: the rate per started trial, its exact interval, and the sentence that it allows."""

from __future__ import annotations

import math

from hangprobe.model import Frozen

LEVEL = 0.95
"""Of every interval that is not asked for otherwise: what readers expect where nothing is said."""


class Rate(Frozen, frozen=True):
    """Hung trials among the started ones."""

    hung: int
    started: int
    low: float
    high: float
    """Two-sided exact interval at `level`; 0 to 1 if nothing was started."""
    level: float = LEVEL

    @property
    def share(self) -> float | None:
        """The estimate; None if nothing was started."""
        return self.hung / self.started if self.started else None


def rate(hung: int, started: int, level: float = LEVEL) -> Rate:
    """Return the rate with its Clopper-Pearson interval.

    Clopper and Pearson, Biometrika 26 (1934) 404: never covers less often than `level`, whatever the true rate. 0 of 0
    is no error and says nothing: the whole interval. Raises ValueError for counts that cannot be.
    """
    _check(hung, started, level)
    if not started:
        return Rate(hung, started, 0.0, 1.0, level)
    from scipy.stats import binomtest

    found = binomtest(hung, started).proportion_ci(level, method="exact")
    return Rate(hung, started, float(found.low), float(found.high), level)


def bound_sentence(seen: Rate) -> str:
    """Return what the count allows to claim at the rate's level, in one sentence without a full stop.

    All or none hung bounds the rate from one side only, so the bound is one-sided (0 of n: the "rule of three" with its
    exact value, Hanley and Lippman-Hand, JAMA 249 (1983) 1743). Bounds are rounded away from the estimate.
    """
    hung, started, missed = seen.hung, seen.started, 1 - seen.level
    sure = f"({_percent(100 * seen.level)} % confidence)"
    if not started:
        return "no trial was started, which says nothing of the rate"
    if hung == 0:
        return f"0 of {started} only bounds the rate below {_above(1 - missed ** (1 / started))} % {sure}"
    if hung == started:
        return f"{hung} of {started}: the rate is at least {_below(missed ** (1 / started))} % {sure}"
    return f"{hung} of {started}: the rate is between {_below(seen.low)} % and {_above(seen.high)} % {sure}"


def fewest_trials(bound: float, level: float = LEVEL) -> int:
    """Return how many trials without a hang it takes to bound the rate below `bound`, one-sided: the smallest n with
    (1 - bound)^n < 1 - level. 59 for 5 % at 95 % confidence. Raises ValueError unless both are between 0 and 1.
    """
    if not (0 < bound < 1 and 0 < level < 1):
        raise ValueError(f"a bound of {bound} at level {level}: both must lie between 0 and 1")
    return math.floor(math.log(1 - level) / math.log1p(-bound)) + 1


def _check(hung: int, started: int, level: float) -> None:
    """Raise ValueError for counts or a level that cannot be."""
    if not 0 <= hung <= started:
        raise ValueError(f"{hung} hung of {started} started trials cannot be")
    if not 0 < level < 1:
        raise ValueError(f"a level of {level}: it must lie between 0 and 1")


def _above(share: float) -> str:
    """Return a share in percent, rounded up: whole percents, below 1 % to one digit that counts."""
    percent = 100 * share
    places = 0 if percent >= 1 else -math.floor(math.log10(percent))
    # 1e-9: 100 * 0.07 is 7.000000000000001, which is not 8 %
    return _percent(math.ceil(percent * 10**places - 1e-9) / 10**places)


def _below(share: float) -> str:
    """Return a share in percent, rounded down; as finely near 100 % as `_above` is near 0 %, whole otherwise."""
    percent, rest = 100 * share, 100 * (1 - share)
    if percent < 1:
        return _percent(math.floor(percent * 10 + 1e-9) / 10)
    places = 0 if rest >= 1 else -math.floor(math.log10(rest))
    return _percent(math.floor(percent * 10**places + 1e-9) / 10**places)


def _percent(value: float) -> str:
    """Return a number without needless zeros."""
    return f"{value:.10f}".rstrip("0").rstrip(".")
