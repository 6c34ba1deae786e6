"""Many comparisons at once: with 20 cells one in twenty would seem to differ by chance alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from hangprobe.model import Frozen

K = TypeVar("K")
ALPHA = 0.05
"""The chance of one false claim or more in the whole family; what belongs to intervals of 95 %."""


class Adjusted(Frozen, frozen=True):
    """One comparison's p-value, by itself and in its family."""

    p: float
    adjusted_p: float
    """Smallest error rate of the whole family at which this comparison is still rejected."""
    is_rejected: bool


def holm(p_values: Mapping[K, float], alpha: float = ALPHA) -> dict[K, Adjusted]:
    """Return every comparison with its adjusted p-value, in the order given.

    Holm, Scandinavian Journal of Statistics 6 (1979) 65: bounds the chance of any false rejection by `alpha`, however
    the tests depend on each other, and rejects all that Bonferroni's rule does. Raises ValueError for a p-value outside
    0 to 1 (not a number included).
    """
    for key, p in p_values.items():
        if not 0 <= p <= 1:
            raise ValueError(f"the p-value of {key} is {p}")
    reached, found = 0.0, {}
    for rank, (key, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p))
        found[key] = Adjusted(p, reached, reached <= alpha)
    return {key: found[key] for key in p_values}
