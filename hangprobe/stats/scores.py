"""The score statistic for a difference of two rates and its exact distribution: what tests and intervals rest on.

For the hypothesis that two rates differ by `shift`, every pair of counts (a of n_a, b of n_b) has a score: how far the
observed difference lies from `shift`, in standard errors under the hypothesis (Miettinen and Nurminen, Statistics in
Medicine 4 (1985) 213). At shift 0 it is the pooled z. How probable a set of pairs is depends on a rate that nobody
knows; the exact unconditional answer takes the largest probability over all of its values (Barnard, Biometrika 34
(1947) 123; Suissa and Shuster, JRSS A 148 (1985) 317).

numpy is imported at the top: this module is imported only inside functions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlog1py, xlogy

Floats = NDArray[np.float64]
NUISANCES = 129
"""Values tried of the unknown rate. Evenly spaced in arcsin(sqrt(p)), where a binomial's spread is the same
everywhere: at n = 100 a step is a quarter of a standard deviation, so the maximum is missed by less than 1 %."""
TIE = 1e-9
"""Scores closer than this are one: what floating point makes of equal ones differs by less."""


def scores(n_a: int, n_b: int, shift: float) -> Floats:
    """Return |score| of every pair of counts, shape (n_a + 1, n_b + 1); infinite where the hypothesis forbids it."""
    seen_a = np.arange(n_a + 1)[:, None] / n_a
    seen_b = np.arange(n_b + 1)[None, :] / n_b
    if_a = _restricted(seen_a, seen_b, n_b / n_a, shift)
    if_b = if_a - shift
    variance = np.clip(if_a * (1 - if_a) / n_a + if_b * (1 - if_b) / n_b, 0, None)
    distance = np.abs(seen_a - seen_b - shift)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = distance / np.sqrt(variance)
    return np.where(distance < TIE, 0.0, np.where(variance < TIE**2, np.inf, found))


def _restricted(seen_a: Floats, seen_b: Floats, theta: float, shift: float) -> Floats:
    """Return the most likely rate of a if both differ by exactly `shift`.

    The root of the cubic of Farrington and Manning, Statistics in Medicine 9 (1990) 1447, appendix.
    """
    a = 1 + theta
    b = -(1 + theta + seen_a + theta * seen_b + shift * (theta + 2))
    c = shift**2 + shift * (2 * seen_a + theta + 1) + seen_a + theta * seen_b
    d = -seen_a * shift * (1 + shift)
    v = (b / (3 * a)) ** 3 - b * c / (6 * a**2) + d / (2 * a)
    u = np.sqrt(np.clip((b / (3 * a)) ** 2 - c / (3 * a), 0, None))
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(u < TIE, 0.0, v / u**3)
    root = 2 * u * np.cos((np.pi + np.arccos(np.clip(cosine, -1, 1))) / 3) - b / (3 * a)
    return np.asarray(np.clip(root, max(0.0, shift), min(1.0, 1.0 + shift)), dtype=np.float64)


def nuisances(shift: float) -> tuple[Floats, Floats]:
    """Return pairs of true rates (of a, of b) that differ by `shift`, from end to end."""
    between = np.sin(np.linspace(0, np.pi / 2, NUISANCES)) ** 2
    low, high = max(0.0, -shift), min(1.0, 1.0 - shift)
    rate_b = low + (high - low) * between
    return np.clip(rate_b + shift, 0, 1), rate_b


def binomial(trials: int, rates: Floats) -> Floats:
    """Return the probability of every count at every rate, shape (len(rates), trials + 1)."""
    counts = np.arange(trials + 1)
    ways = gammaln(trials + 1) - gammaln(counts + 1) - gammaln(trials - counts + 1)
    p = rates[:, None]
    return np.asarray(np.exp(ways + xlogy(counts, p) + xlog1py(trials - counts, -p)), dtype=np.float64)


def p_value(hung_a: int, n_a: int, hung_b: int, n_b: int, shift: float) -> float:
    """Return the largest probability, if the rates differ by `shift`, of scores at least as far out as that seen."""
    far = scores(n_a, n_b, shift)
    is_as_far = (far >= far[hung_a, hung_b] - TIE).astype(np.float64)
    rates_a, rates_b = nuisances(shift)
    chances = ((binomial(n_a, rates_a) @ is_as_far) * binomial(n_b, rates_b)).sum(axis=1)
    return float(min(1.0, chances.max()))
