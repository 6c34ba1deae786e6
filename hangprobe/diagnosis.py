"""What is known of one job's hang: judged at each double collect, explained where the judgement has changed.

Apart from the watch (`watchdog`), because it needs no sampling: whoever has a double collect of some ranks can judge
and explain it. What earlier collects have shown is kept between them: sleepers that were seen, stacks and locks of
threads that have not run since, findings that stood for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from hangprobe.context.values import LaunchContext
from hangprobe.evidence import Suspects
from hangprobe.explain.findings import find
from hangprobe.judge.changes import blocked_for, what_holds, what_stands
from hangprobe.judge.collects import threads
from hangprobe.judge.standing import uphold
from hangprobe.judge.verdict import judge, victims
from hangprobe.judgement import Judgement, Progress, Sighting
from hangprobe.model import DoubleCollect, RankState, RankView, ThreadId, Tier, Verdict
from hangprobe.observe.reader import Reader
from hangprobe.observe.sampler import Sample
from hangprobe.observe.suspects import read_bystanders, read_suspects
from hangprobe.observe.world import World
from hangprobe.policy import Policy
from hangprobe.record import Look
from hangprobe.result import Finding

HUNG = {Verdict.HANG, Verdict.STALL}


@dataclass(slots=True, kw_only=True)
class Diagnosis:
    """The judgement on one job as it stands, and what explains it."""

    judgement: Judgement | None = None
    double: DoubleCollect | None = None
    """The double collect that was judged last."""
    suspects: Suspects = field(default_factory=Suspects)
    findings: tuple[Finding, ...] = ()
    standing_since_s: float | None = None
    """Since when the present hang stands unchanged; None while there is none."""
    detected_after_s: float | None = None
    history: dict[tuple[str, Tier], Finding] = field(default_factory=dict)
    """The last finding of each mechanism and tier, whether it still stands or not."""
    has_unnamed_victims: bool = False
    """Whether ranks beside a hang have not been looked into yet."""
    contexts: dict[int, LaunchContext] = field(default_factory=dict)
    """By rank: what its launcher gave it, as far as it was looked into."""
    sightings: tuple[Sighting, ...] = ()
    """The sleepers on which the judgement rests."""
    _sightings: dict[tuple[ThreadId, str], Sighting] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The verdict as it stands."""
        return self.judgement.verdict if self.judgement is not None else Verdict.OK

    def judge(
        self, double: DoubleCollect, ranks: tuple[RankView, ...], progress: Mapping[int, Progress], stall_after_s: float
    ) -> Look:
        """Return the judgement on a double collect, not yet explained; it stands once it is accepted."""
        sightings = tuple(self._sightings.values())
        judgement = judge(double, ranks, progress, stall_after_s, sightings)
        if self.judgement is not None and self.double is not None:
            judgement = uphold(self.judgement, self.double.second, judgement, double.second)
        self._sight(judgement, double)
        return Look(judgement.at_s, double, ranks, dict(progress), Suspects(), judgement, (), sightings)

    def _sight(self, judgement: Judgement, double: DoubleCollect) -> None:
        """Remember the sleepers that may still end a wait; a sight that is older than the knot says nothing."""
        views, clock_s = threads(double.second), double.second.clock_s
        for rank in judgement.ranks:
            for view in (views[thread] for thread in rank.pending):
                if not view.is_timed or view.call is None or view.run_count is None or clock_s is None:
                    continue
                known = self._sightings.get((view.id, view.call))
                if known is None or (rank.closed_s is not None and known.clock_s < rank.closed_s):
                    self._sightings[view.id, view.call] = Sighting(view.id, view.call, view.run_count, clock_s)

    def is_changed_by(self, look: Look) -> bool:
        """Tell whether a look says anything else than what stands."""
        return what_holds(look.judgement) != what_holds(self.judgement)

    def explain(self, look: Look, world: World, policy: Policy, clock: Callable[[], float]) -> Look:
        """Explain a look that changes what stands, and return it with what was found."""
        judgement, double = look.judgement, look.double
        is_hung = judgement.verdict in HUNG
        if what_stands(judgement) != what_stands(self.judgement):
            self.standing_since_s = clock() if is_hung else None
        culprits = [thread for rank in judgement.ranks for thread in rank.culprits]
        deadline_s = policy.stacks_deadline_s if policy.has_stacks and is_hung else None
        self.suspects = read_suspects(world, double.second, culprits, deadline_s, self._unchanged(double))
        findings = find(judgement, double, look.ranks, self.suspects)
        if judgement.verdict is Verdict.HANG and self.detected_after_s is None:
            self.detected_after_s = blocked_for(judgement, double, clock() - double.second.ended_s)
        self.findings = findings
        self.history.update({(finding.mechanism, finding.tier): finding for finding in findings})
        self.has_unnamed_victims = judgement.verdict is Verdict.HANG
        return Look(look.at_s, double, look.ranks, look.progress, self.suspects, judgement, findings, look.sightings)

    def _unchanged(self, double: DoubleCollect) -> Suspects:
        """Return what is known of suspects that have not run since it was read."""
        before = threads(self.double.second) if self.double is not None else {}
        after = threads(double.second)
        same = {each for each in after if each in before and before[each].run_count == after[each].run_count}
        return Suspects(
            tuple(lock for lock in self.suspects.locks if lock.thread in same),
            tuple(stack for stack in self.suspects.stacks if stack.thread in same),
        )

    def accept(self, look: Look) -> None:
        """Let a look's judgement stand."""
        self.judgement, self.double, self.sightings = look.judgement, look.double, look.sightings

    def name_victims(
        self,
        reader: Reader,
        ranks: Sequence[RankView],
        policy: Policy,
        elsewhere: Set[int] = frozenset(),
        resting: Set[int] = frozenset(),
    ) -> None:
        """Look into the ranks beside hung ones, here or `elsewhere`, and name those that wait for them in MPI.

        `resting` ranks are left alone: to read a stack stops a process, and what has been stopped has run, so that the
        window in which it must not would begin anew.
        """
        self.has_unnamed_victims = False
        is_hung = self.verdict is Verdict.HANG or elsewhere
        if self.judgement is None or not is_hung or not policy.has_stacks:
            return
        states = {RankState.PROGRESSING, RankState.STALLED}
        judged = self.judgement.ranks
        free = {verdict.rank for verdict in judged if verdict.state in states and not verdict.hung} - resting
        bystanders = [rank for rank in ranks if rank.rank in free]
        in_mpi = read_bystanders(reader, bystanders, policy.stacks_deadline_s)
        self.judgement = victims(self.judgement, in_mpi, elsewhere)

    def has_sleeper_moved(self, sample: Sample) -> bool:
        """Tell whether a timed sleeper that kept a knot from being a hang has run or gone since."""
        if self.judgement is None or self.double is None:
            return False
        counts = {thread.id: thread.run_count for p in self.double.second.processes for thread in p.threads}
        pending = [thread for rank in self.judgement.ranks for thread in rank.pending]
        return any(sample.run_count(each.process.pid, each.tid) != counts.get(each) for each in pending)
