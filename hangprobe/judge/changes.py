"""What makes two judgements of a running job the same or different to those who watch it."""

from __future__ import annotations

from hangprobe.judgement import Judgement, RankVerdict
from hangprobe.model import DoubleCollect, RankState, ThreadId, Verdict


def what_holds(judgement: Judgement | None) -> object:
    """Return what makes two judgements the same to a reader."""
    if judgement is None:
        return ()
    states = {RankState.PROVEN, RankState.LEAK, RankState.STALLED, RankState.BLOCKED}
    held = tuple(
        (rank.rank, rank.state, rank.hung, rank.culprits)
        for rank in judgement.ranks
        if rank.state in states and _matters(rank, judgement)
    )
    return held, frozenset(_helpers(judgement))


def what_stands(judgement: Judgement | None) -> object:
    """Return which ranks a hang or stall holds, and by what: as long as this is the same, it stands."""
    if judgement is None:
        return ()
    stands = (rank for rank in judgement.ranks if rank.hung or rank.state is RankState.STALLED)
    return tuple((rank.rank, rank.culprits) for rank in stands if _matters(rank, judgement))


def _matters(rank: RankVerdict, judgement: Judgement) -> bool:
    """Tell whether a rank counts: one that is merely quiet beside a hung one may be named as its victim, or not yet."""
    return rank.hung or rank.state is not RankState.STALLED or judgement.verdict is not Verdict.HANG


def _helpers(judgement: Judgement) -> set[ThreadId]:
    held = {thread for rank in judgement.ranks for thread in rank.culprits}
    return {thread for thread in judgement.proven if thread not in held}


def blocked_for(judgement: Judgement, double: DoubleCollect, since_collect_s: float) -> float | None:
    """Return the seconds from the last culprit's blocking until `since_collect_s` after the second collect."""
    hung: list[RankVerdict] = [rank for rank in judgement.ranks if rank.hung]
    closed = [rank.closed_s for rank in hung if rank.closed_s is not None]
    if len(closed) != len(hung) or double.second.clock_s is None:
        return None
    return max(0.0, double.second.clock_s - max(closed) + since_collect_s)
