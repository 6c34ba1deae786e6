"""How far out a score must lie at each look, so that all looks together err as seldom as was promised.

The two counts of hung trials are followed look by look, exactly: the chance of every pair of counts that has not
crossed a boundary yet, at every value tried of the unknown rate. At each look the boundary is the smallest one with
which the chance of having crossed by then is, at none of these rates, more than may have been spent by then (Lan and
DeMets, Biometrika 70 (1983) 659, with the exact law of two binomials in the place of the normal one, as Jennison and
Turnbull, Group Sequential Methods, 2000, chapter 12, have it for rates).

numpy is imported at the top: this module is imported only inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hangprobe.stats.scores import TIE, Floats, binomial, nuisances, scores

Sizes = Sequence[tuple[int, int]]
"""Started trials of a and of b at each look, the first ones included."""
ROUNDING = 1e-12
"""What sums of probabilities may be off by."""


def boundaries(sizes: Sizes, spent: Sequence[float], shift: float) -> list[float]:
    """Return for each look the smallest |score| that rejects a difference of `shift`; infinite where none does.

    `spent` is the error rate that may have been used up by each look, the earlier looks included.
    """
    rates_a, rates_b = nuisances(shift)
    alive = np.ones((len(rates_a), 1, 1))
    used = np.zeros(len(rates_a))
    found = []
    for (n_a, n_b), allowed in zip(sizes, spent, strict=True):
        new_a, new_b = n_a - alive.shape[1] + 1, n_b - alive.shape[2] + 1
        alive = np.swapaxes(_steps(new_a, n_a, rates_a), 1, 2) @ alive @ _steps(new_b, n_b, rates_b)
        if not n_a or not n_b:
            found.append(np.inf)
            continue
        far = scores(n_a, n_b, shift)
        boundary = _boundary(far, alive, allowed - used)
        has_crossed = far >= boundary - TIE
        used += alive[:, has_crossed].sum(axis=1)
        alive[:, has_crossed] = 0
        found.append(boundary)
    return found


def _steps(new: int, trials: int, rates: Floats) -> Floats:
    """Return the chance to get from every count to every other by `new` trials.

    Shape (rates, counts before, counts after): len(rates), trials - new + 1, trials + 1.
    """
    chances = binomial(new, rates)
    found = np.zeros((len(rates), trials - new + 1, trials + 1))
    for count in range(trials - new + 1):
        found[:, count, count : count + new + 1] = chances
    return found


def _boundary(far: Floats, alive: Floats, left: Floats) -> float:
    """Return the smallest score such that, at every rate, those as far out have a chance of at most `left`."""
    order = np.argsort(-far, axis=None)
    ranked = far.ravel()[order]
    beyond = alive.reshape(len(alive), -1)[:, order].cumsum(axis=1)
    is_allowed = np.asarray((beyond <= left[:, None] + ROUNDING).all(axis=0))
    with np.errstate(invalid="ignore"):  # infinite scores are equal, too
        is_last = np.append(ranked[:-1] - ranked[1:] > TIE, True)
    # equal scores cross together: only the last of them may be a boundary
    several = np.flatnonzero(is_allowed & is_last & (ranked > TIE))
    return float(ranked[several[-1]]) if len(several) else float(np.inf)
