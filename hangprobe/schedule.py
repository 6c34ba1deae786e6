"""When to collect twice: the watchdog's one decision that costs, made from a sample.

A set of candidates that is new is looked at soon, as far as the budget goes; one that turned out to be no knot is
looked at again with growing pauses; a rank in which nothing has moved for the window is looked at once it has not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hangprobe.diagnosis import Diagnosis
from hangprobe.judge.knot import knot
from hangprobe.model import RankView, Verdict
from hangprobe.observe.candidates import Task
from hangprobe.observe.sampler import Sample
from hangprobe.policy import Policy

BACKOFF_FIRST_S = 0.5
"""The first pause after a candidate that was no knot."""

ALERT_S, ALERT_INTERVAL_S = 2.0, 0.1
"""For how long, and how often, to look after candidates have changed: the ranks of a job block one after the other."""

COSTS, DEAR = 9, 3
"""Samples that say what a sample costs, and how many of them may cost more: those that meet a job do."""

Candidates = frozenset[tuple[Task, int]]
"""Threads with their run counts: the same set again is the same sleep of the same threads."""


@dataclass(slots=True)
class Schedule:
    """What was looked at last and what that has cost; all times are monotonic seconds."""

    policy: Policy
    began_s: float
    candidates: Candidates = frozenset()
    """Those of the last double collect, or of a set that called for none."""
    quiet: frozenset[int] = frozenset()
    """Ranks in which nothing has moved for the window."""
    spent_s: float = 0.0
    """What double collects have taken of the job's time so far."""
    _candidates: dict[int, Candidates] = field(default_factory=dict)
    """By rank: what was made of its graphs last."""
    _of_all: Candidates = frozenset()
    _ranks: tuple[RankView, ...] = ()
    _pause_s: float = 0.0
    _due_s: float = 0.0
    _alert_until_s: float = 0.0
    _costs_s: deque[float] = field(default_factory=lambda: deque([0.0] * COSTS, maxlen=COSTS))
    """What the last samples have taken of CPU time."""

    def candidates_in(self, sample: Sample) -> Candidates:
        """Return the threads worth a double collect: pipes and files count where they could hold a main thread.

        Looks at the ranks that have changed only: a thread that has not run has the run count that it had.
        """
        if not sample.redrawn and sample.ranks is self._ranks:
            return self._of_all
        self._ranks = sample.ranks
        self._candidates = {
            rank.rank: self._candidates_of(rank, sample)
            if rank.rank in sample.redrawn or rank.rank not in self._candidates
            else self._candidates[rank.rank]
            for rank in sample.ranks
        }
        self._of_all = frozenset().union(*self._candidates.values())
        return self._of_all

    def _candidates_of(self, rank: RankView, sample: Sample) -> Candidates:
        graphs = sample.graphs[rank.rank]
        wide = knot(graphs.wide)
        found = wide if (rank.main.pid, rank.main.pid) in wide else knot(graphs.narrow)
        counted = ((task, sample.run_count(*task)) for task in found)
        return frozenset((task, count) for task, count in counted if count is not None)

    def is_due(self, candidates: Candidates, sample: Sample, now_s: float, diagnosis: Diagnosis) -> bool:
        """Tell whether this sample calls for a double collect."""
        if self.policy.collect_always:
            return bool(sample.ranks)
        quiet = sample.quiet(self.policy.stall_after_s)
        stalled, has_news = bool(quiet), not quiet <= self.quiet
        self.quiet = quiet
        if candidates != self.candidates and self.affords_collect(now_s):
            self._pause_s, self._alert_until_s = 0.0, now_s + ALERT_S
            if candidates or diagnosis.verdict is not Verdict.OK:
                return True
            self.candidates = candidates
        if not candidates and not stalled:
            return diagnosis.verdict is not Verdict.OK
        if has_news:
            return True
        return (now_s >= self._due_s or diagnosis.has_sleeper_moved(sample)) and self.affords_collect(now_s)

    def affords_collect(self, now_s: float) -> bool:
        """Tell whether double collects have taken no more of the job's time than they may."""
        return self.spent_s <= self.policy.collect_burst_s + self.policy.collect_share * (now_s - self.began_s)

    def looked(self, candidates: Candidates, now_s: float) -> None:
        """Put off the next look at the same candidates, each time for longer."""
        self.candidates = candidates
        self._pause_s = min(self.policy.backoff_max_s, 2 * self._pause_s or BACKOFF_FIRST_S)
        self._due_s = now_s + self._pause_s

    def sampled(self, cost_s: float) -> None:
        """Take in what a sample has taken of CPU time."""
        self._costs_s.append(cost_s)

    def interval_s(self, sampled_s: float | None) -> float:
        """Until the next sample: shorter for a while after something began to wait that could wait for ever.

        Longer if samples would take more than they may.
        """
        is_alert = sampled_s is not None and sampled_s < self._alert_until_s
        wanted_s = min(self.policy.interval_s, ALERT_INTERVAL_S) if is_alert else self.policy.interval_s
        afforded_s = sorted(self._costs_s)[-1 - DEAR] / self.policy.sample_share
        return max(wanted_s, min(afforded_s, self.policy.interval_max_s))
