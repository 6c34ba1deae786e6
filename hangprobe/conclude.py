"""The last stage for one job: everything that was seen of it, as one document."""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import UTC, datetime
from typing import Protocol

from hangprobe.evidence import Suspects
from hangprobe.model import (
    DoubleCollect,
    Judgement,
    Launcher,
    RankState,
    RankVerdict,
    RankView,
    StartMethod,
    Tier,
    Unreadable,
    Verdict,
)
from hangprobe.policy import Policy
from hangprobe.ranksets import fold, unfold
from hangprobe.result import Finding, Program, RankResult, Result, Watched

EXPLAINED = {RankState.BLOCKED, RankState.STALLED, RankState.UNKNOWN}
"""States of which a rank's entry says why."""
NO_VERDICT = {"dead-helper"}
"""Mechanisms that are reported and never make a verdict."""


class StartMethods(Protocol):
    """What was seen of how processes were started."""

    def ranks_by_method(self) -> Mapping[StartMethod, set[int]]:
        """Return which ranks have started children by which method."""


class Observed(Protocol):
    """A job that was watched, or looked at: what its diagnosis says, and of which ranks."""

    judgement: Judgement | None
    double: DoubleCollect | None
    suspects: Suspects
    findings: tuple[Finding, ...]
    detected_after_s: float | None
    history: dict[tuple[str, Tier], Finding]
    ranks: tuple[RankView, ...]
    """Every rank that was seen, the ended ones included."""
    samples: int
    collects: list[float]
    policy: Policy

    @property
    def methods(self) -> StartMethods:
        """How the ranks' children were started."""

    @property
    def verdict(self) -> Verdict:
        """The verdict as it stands."""

    @property
    def running(self) -> Set[int]:
        """The ranks that were there at the last look."""


def conclude(
    observed: Observed,
    command: tuple[str, ...],
    exit_status: int | None,
    ended_by: str | None,
    started_at: datetime,
    duration_s: float,
    program: Program | None = None,
) -> Result:
    """Return the document. `exit_status` is None where hangprobe ended the job; `ended_by` None while it still runs."""
    judgement = observed.judgement
    has_ended_itself = ended_by == "itself"
    verdict = _verdict(observed, exit_status, ended_by)
    ranks = observed.ranks
    running = set() if has_ended_itself else observed.running
    standing = () if has_ended_itself else observed.findings
    gone = [finding for finding in observed.history.values() if finding not in standing]
    is_kept = has_ended_itself or any(finding.tier is Tier.PROVEN for finding in gone)
    findings = (*standing, *(_recover(finding) for finding in gone if is_kept))
    return Result(
        verdict=verdict,
        tier=_tier(findings) if verdict in {Verdict.HANG, Verdict.STALL} else None,
        command=command,
        launcher=ranks[0].launcher if ranks else Launcher.NONE,
        exit_status=exit_status,
        ended_by=ended_by,
        started_at=started_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_s=round(duration_s, 3),
        detected_after_s=_rounded(observed.detected_after_s) if verdict in {Verdict.HANG, Verdict.STALL} else None,
        ranks=tuple(_rank(rank, judgement, findings, rank.rank not in running) for rank in ranks),
        findings=findings,
        start_methods={method.value: fold(ranks) for method, ranks in observed.methods.ranks_by_method().items()},
        watched=Watched(observed.policy.interval_s, observed.samples, len(observed.collects)),
        unreadable=_unreadable(observed),
        size=next((rank.size for rank in ranks if rank.size is not None), None),
        program=program,
    )


def _verdict(observed: Observed, exit_status: int | None, ended_by: str | None) -> Verdict:
    if ended_by == "itself":
        return Verdict.FAILED if exit_status else Verdict.OK
    if observed.verdict in {Verdict.HANG, Verdict.STALL}:
        return observed.verdict
    judged = observed.judgement.ranks if observed.judgement is not None else ()
    is_known = ended_by is None and all(rank.state is not RankState.UNKNOWN for rank in judged)
    return observed.verdict if is_known else Verdict.UNKNOWN


def _tier(findings: tuple[Finding, ...]) -> Tier | None:
    """Return the highest tier among the findings that made the verdict; a stall needs no finding."""
    tiers = [finding.tier for finding in findings if finding.mechanism not in NO_VERDICT and not finding.recovered]
    made = [tier for tier in tiers if tier is not Tier.BLOCKED]
    return min(made, key=list(Tier).index) if made else Tier.STALLED


def _recover(finding: Finding) -> Finding:
    says = finding.says
    if finding.tier is Tier.PROVEN:
        says += " [the job went on all the same: unless it was signalled, this is a bug of hangprobe, please report it]"
    fields = {name: getattr(finding, name) for name in finding.__struct_fields__}
    return Finding(**{**fields, "says": says, "recovered": True})


def _rank(rank: RankView, judgement: Judgement | None, findings: tuple[Finding, ...], has_ended: bool) -> RankResult:
    verdicts = judgement.ranks if judgement is not None else ()
    verdict: RankVerdict | None = next((each for each in verdicts if each.rank == rank.rank), None)
    mechanism = next((f.mechanism for f in findings if rank.rank in unfold(f.ranks) and not f.recovered), None)
    state = verdict.state if verdict is not None else RankState.PROGRESSING
    since_s = verdict.since_s if verdict is not None else None
    if has_ended:
        state, since_s, mechanism = RankState.EXITED, None, None
    if mechanism in NO_VERDICT:
        mechanism = None
    why = verdict.why if verdict is not None and state in EXPLAINED else None
    return RankResult(
        rank.rank, rank.main.host, rank.main.pid, rank.main.start_time, _rounded(since_s), mechanism, state, why
    )


def _unreadable(observed: Observed) -> tuple[Unreadable, ...]:
    found = list(observed.suspects.unreadable)
    if observed.double is not None:
        found += [*observed.double.first.unreadable, *observed.double.second.unreadable]
    return tuple(dict.fromkeys(found))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
