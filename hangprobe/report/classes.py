"""Ranks that are alike, told as one: what a report has room for, however many ranks a job has."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from hangprobe.model import RankState
from hangprobe.ranksets import fold, fold_hosts, shortened
from hangprobe.result import RankResult

FEW = 32
"""Ranks that a report tells of with their pids; of more it tells how many there are of each class."""
CLASSES_SHOWN = 12


@dataclass(slots=True)
class RankClass:
    """Ranks in one state, held by one mechanism."""

    state: RankState
    mechanism: str | None
    numbers: array[int] = field(default_factory=lambda: array("q"))
    times_s: array[float] = field(default_factory=lambda: array("d"))
    """For how long they have been waiting, those of which that is known."""
    hosts: dict[str, None] = field(default_factory=dict)

    @property
    def ranks(self) -> str:
        """The first of them, folded."""
        return shortened(fold(self.numbers))

    @property
    def nodes(self) -> str:
        """How many nodes they are on, and the first of these, folded."""
        return f"{len(self.hosts)}: {shortened(fold_hosts(self.hosts))}"

    @property
    def since(self) -> str:
        """For how long they have been waiting."""
        return span(self.times_s)


def classes(ranks: Iterable[RankResult]) -> list[RankClass]:
    """Return ranks by state and mechanism, the largest class first.

    In one pass, and into arrays: each look at a million ranks waits for what they have scattered over the memory.
    """
    found: dict[tuple[RankState, str | None], RankClass] = {}
    state, mechanism = None, None
    for rank in ranks:
        if rank.state is not state or rank.mechanism != mechanism:
            state, mechanism = rank.state, rank.mechanism
            current = found.setdefault((state, mechanism), RankClass(state, mechanism))
            numbers, times_s, hosts = current.numbers, current.times_s, current.hosts
        numbers.append(rank.rank)
        if rank.since_s is not None:
            times_s.append(rank.since_s)
        hosts[rank.host] = None
    return sorted(found.values(), key=lambda each: -len(each.numbers))


def largest(ranks: Iterable[RankResult]) -> tuple[list[RankClass], int]:
    """Return the classes with most ranks, the largest first, and how many more there are."""
    found = classes(ranks)
    return found[:CLASSES_SHOWN], max(0, len(found) - CLASSES_SHOWN)


def span(times_s: Iterable[float | None]) -> str:
    """Return a range of seconds in words; of those that are known."""
    known = [time_s for time_s in times_s if time_s is not None]
    if not known:
        return ""
    least, greatest = min(known), max(known)
    return f"{least:.1f} s" if greatest - least < 0.1 else f"{least:.1f}-{greatest:.1f} s"
