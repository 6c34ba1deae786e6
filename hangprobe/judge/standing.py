"""A proof holds until a thread of the knot runs.

Whoever could wake a member of a knot is a member, so a later look that cannot tell (processes that come and go, a
descriptor that was unreadable for a moment) takes nothing back while no member has run since.
"""

from __future__ import annotations

from hangprobe.judge.collects import threads
from hangprobe.judgement import Judgement, RankVerdict
from hangprobe.model import RankState, Snapshot, ThreadId, ThreadView


def uphold(before: Judgement, then: Snapshot, after: Judgement, now: Snapshot) -> Judgement:
    """Return `after` with the verdicts of `before` on ranks whose proof still holds.

    `then` and `now` are the second collects on which they rest.
    """
    old, new = threads(then), threads(now)
    proven = {verdict.rank: verdict for verdict in before.ranks if verdict.state is RankState.PROVEN}

    def chosen(verdict: RankVerdict) -> RankVerdict:
        earlier = proven.get(verdict.rank)
        if verdict.hung or earlier is None or not earlier.culprits:
            return verdict
        holds = all(_is_unmoved(old.get(thread), new.get(thread)) for thread in earlier.culprits)
        return earlier.but(since_s=verdict.since_s) if holds else verdict

    ranks = tuple(map(chosen, after.ranks))
    kept: set[ThreadId] = {thread for verdict in ranks if verdict.hung for thread in verdict.culprits}
    return after.but(ranks=ranks, proven=after.proven | (kept & before.proven), blocked=after.blocked | kept)


def _is_unmoved(first: ThreadView | None, second: ThreadView | None) -> bool:
    if first is None or second is None or None in (first.run_count, first.call, first.start_time):
        return False
    seen = (first.run_count, first.call, first.start_time, first.state)
    return seen == (second.run_count, second.call, second.start_time, second.state)
