"""The last stage for one job: everything that was seen of it, as one document."""

from __future__ import annotations

from datetime import UTC, datetime

from hangprobe.model import (
    Judgement,
    Launcher,
    RankState,
    RankVerdict,
    RankView,
    Tier,
    Unreadable,
    Verdict,
)
from hangprobe.ranksets import fold, unfold
from hangprobe.result import Finding, Program, RankResult, Result, Watched
from hangprobe.watchdog import Watchdog

EXPLAINED = {RankState.BLOCKED, RankState.STALLED, RankState.UNKNOWN}
"""States of which a rank's entry says why."""
NO_VERDICT = {"dead-helper"}
"""Mechanisms that are reported and never make a verdict."""


def conclude(
    watchdog: Watchdog,
    command: tuple[str, ...],
    exit_status: int | None,
    ended_by: str | None,
    started_at: datetime,
    duration_s: float,
    program: Program | None = None,
) -> Result:
    """Return the document. `exit_status` is None where hangprobe ended the job; `ended_by` None while it still runs."""
    judgement = watchdog.judgement
    has_ended_itself = ended_by == "itself"
    verdict = _verdict(watchdog, exit_status, ended_by)
    ranks = watchdog.ranks
    running = {rank.rank for rank in watchdog.sample.ranks} if watchdog.sample is not None else set()
    standing = () if has_ended_itself else watchdog.findings
    gone = [finding for finding in watchdog.history.values() if finding not in standing]
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
        detected_after_s=_rounded(watchdog.detected_after_s) if verdict in {Verdict.HANG, Verdict.STALL} else None,
        ranks=tuple(_rank(rank, judgement, findings, has_ended_itself or rank.rank not in running) for rank in ranks),
        findings=findings,
        start_methods={method.value: fold(ranks) for method, ranks in watchdog.methods.ranks_by_method().items()},
        watched=Watched(watchdog.policy.interval_s, watchdog.samples, len(watchdog.collects)),
        unreadable=_unreadable(watchdog),
        program=program,
    )


def _verdict(watchdog: Watchdog, exit_status: int | None, ended_by: str | None) -> Verdict:
    if ended_by == "itself":
        return Verdict.OK if exit_status == 0 else Verdict.FAILED
    if watchdog.verdict in {Verdict.HANG, Verdict.STALL}:
        return watchdog.verdict
    return Verdict.UNKNOWN if ended_by is not None else watchdog.verdict


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


def _unreadable(watchdog: Watchdog) -> tuple[Unreadable, ...]:
    found = list(watchdog.suspects.unreadable)
    if watchdog.double is not None:
        found += [*watchdog.double.first.unreadable, *watchdog.double.second.unreadable]
    return tuple(dict.fromkeys(found))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
