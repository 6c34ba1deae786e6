"""Read the launch contexts of a running job's ranks, once each and some at a time, when they have had time to begin.

Apart from the reading itself, because a watch must not stop for it: of a thousand ranks it takes some seconds in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hangprobe.context.values import LaunchContext
from hangprobe.model import Launcher, RankView
from hangprobe.observe.context.read import Contexts
from hangprobe.observe.holders import Holders
from hangprobe.observe.reader import Reader
from hangprobe.observe.world import World

SETTLE_S = 1.0
"""After a rank was first seen: a shell before it has exec'd by then, and its launcher has done what it does."""
AT_ONCE = 32
"""Ranks at a time: 2 ms each, and some 30 ms for who holds what on the node."""


@dataclass(slots=True)
class Gathering:
    """What is known of the ranks of one node."""

    reader: Reader
    host: str
    contexts: dict[int, LaunchContext] = field(default_factory=dict)
    """By rank."""
    _met_s: dict[int, float] = field(default_factory=dict)

    def gather(self, ranks: Sequence[RankView], now_s: float, is_last_chance: bool = False) -> bool:
        """Read some of those that are new; return whether any was. `is_last_chance`: all of them, at once."""
        started = (rank for rank in ranks if rank.worker is None or rank.worker.index is None)
        fresh = [rank for rank in started if rank.rank not in self.contexts and rank.launcher is not Launcher.NONE]
        if not fresh:
            return False
        due = [rank for rank in fresh if now_s - self._met_s.setdefault(rank.rank, now_s) >= SETTLE_S]
        chosen = fresh if is_last_chance else due[:AT_ONCE]
        if chosen:
            world = World(self.reader, self.host)
            world.scan()
            node = Contexts(Holders(world), ranks)
            self.contexts.update({rank.rank: node.read(rank) for rank in chosen})
        return bool(chosen)
