"""The last stage for one job: everything that was seen of it, as one document."""

from __future__ import annotations

from datetime import UTC, datetime

from hangprobe.digest import NO_VERDICT, Digest, Observed, digest_of, rounded
from hangprobe.model import RankState, Tier, Verdict
from hangprobe.result import Finding, Program, RankResult, Result, StartedAlike, Watched


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
    digest, interval_s = digest_of(observed), observed.policy.interval_s
    return conclude_digest(digest, interval_s, command, exit_status, ended_by, started_at, duration_s, program)


def conclude_digest(
    digest: Digest,
    interval_s: float,
    command: tuple[str, ...],
    exit_status: int | None,
    ended_by: str | None,
    started_at: datetime,
    duration_s: float,
    program: Program | None = None,
) -> Result:
    """Return the same for a digest, which may be merged of those of many nodes; `interval_s`: between two samples."""
    has_ended_itself = ended_by == "itself"
    verdict = _verdict(digest, exit_status, ended_by)
    standing = () if has_ended_itself else digest.findings
    gone = (*digest.findings, *digest.past) if has_ended_itself else digest.past
    is_kept = has_ended_itself or any(finding.tier is Tier.PROVEN for finding in gone)
    findings = (*standing, *(_recover(finding) for finding in gone if is_kept))
    is_bad = verdict in {Verdict.HANG, Verdict.STALL}
    return Result(
        verdict=verdict,
        tier=_tier(findings) if is_bad else None,
        command=command,
        launcher=digest.launcher,
        exit_status=exit_status,
        ended_by=ended_by,
        started_at=started_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        duration_s=round(duration_s, 3),
        detected_after_s=rounded(digest.detected_after_s) if is_bad else None,
        ranks=tuple(map(_exited, digest.ranks)) if has_ended_itself else digest.ranks,
        findings=findings,
        start_methods=digest.start_methods,
        watched=Watched(interval_s, digest.samples, digest.double_collects),
        unreadable=digest.unreadable,
        size=digest.size,
        contexts=tuple(StartedAlike(ranks, context) for context, ranks in digest.contexts),
        program=program,
    )


def _verdict(digest: Digest, exit_status: int | None, ended_by: str | None) -> Verdict:
    if ended_by == "itself":
        return Verdict.FAILED if exit_status else Verdict.OK
    if digest.verdict in {Verdict.HANG, Verdict.STALL}:
        return digest.verdict
    return digest.verdict if ended_by is None and digest.is_known else Verdict.UNKNOWN


def _tier(findings: tuple[Finding, ...]) -> Tier | None:
    """Return the highest tier among the findings that made the verdict; a stall needs no finding."""
    tiers = [finding.tier for finding in findings if finding.mechanism not in NO_VERDICT and not finding.recovered]
    made = [tier for tier in tiers if tier is not Tier.BLOCKED]
    return min(made, key=list(Tier).index) if made else Tier.STALLED


def _recover(finding: Finding) -> Finding:
    says = finding.says
    if finding.tier is Tier.PROVEN:
        says += " [the job went on all the same: unless it was signalled, this is a bug of hangprobe, please report it]"
    return finding.but(says=says, recovered=True)


def _exited(rank: RankResult) -> RankResult:
    return RankResult(rank.rank, rank.host, rank.pid, rank.start_time, None, None, RankState.EXITED, None, rank.detail)
