"""What is said of a job, by how it ended and what had been seen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hangprobe.conclude import conclude
from hangprobe.model import Judgement, Launcher, ProcessId, RankState, RankVerdict, RankView, Tier, Verdict
from hangprobe.observe.sampler import Sample
from hangprobe.policy import Policy
from hangprobe.record import Writer
from hangprobe.result import Finding, Result
from hangprobe.watchdog import Watchdog

HUNG = Finding("fork-orphaned-lock", Tier.PROVEN, True, "1", (), (), {}, "rank 1 waits")
PARKED = Finding("dead-helper", Tier.BLOCKED, False, "0-1", (), (), {}, "parked")
HELD = RankVerdict(1, RankState.PROVEN, "", hung=True, since_s=2.0)
WELL = RankVerdict(1, RankState.PROGRESSING, "")


def rank(number: int) -> RankView:
    """Return a rank of one process."""
    process = ProcessId("node01", 100 + number, 1)
    return RankView(number, Launcher.HYDRA, process, process, (process,))


def concluded(
    verdict: RankVerdict,
    findings: tuple[Finding, ...],
    status: int | None,
    ended_by: str | None,
    is_rank_gone: bool = False,
) -> Result:
    """Return the document about a job of two ranks."""
    watchdog = Watchdog(root=1, command=1, policy=Policy(), record=Writer(None))
    running = (rank(0),) if is_rank_gone else (rank(0), rank(1))
    watchdog.ranks = (rank(0), rank(1))
    watchdog.sample = Sample(0.0, running, {}, {}, {}, 2, 2)
    watchdog.judgement = Judgement(0.0, frozenset(), frozenset(), (verdict,))
    watchdog.findings = findings
    watchdog.history = {(finding.mechanism, finding.tier): finding for finding in findings}
    watchdog.detected_after_s = 0.5
    watchdog.close()
    return conclude(watchdog, ("mpiexec",), status, ended_by, datetime(2026, 11, 22, tzinfo=UTC), 3.0)


def test_a_hang_that_hangprobe_ended_has_a_tier_and_no_exit_status() -> None:
    result = concluded(HELD, (HUNG,), None, "hangprobe")
    assert (result.verdict, result.tier, result.exit_status) == (Verdict.HANG, Tier.PROVEN, None)
    assert (result.detected_after_s, result.started_at) == (0.5, "2026-11-22T00:00:00.000Z")
    assert [(each.rank, each.state, each.mechanism) for each in result.ranks] == [
        (0, RankState.PROGRESSING, None),
        (1, RankState.PROVEN, "fork-orphaned-lock"),
    ]


@pytest.mark.parametrize(("status", "verdict"), [(0, Verdict.OK), (1, Verdict.FAILED), (139, Verdict.FAILED)])
def test_a_job_that_ended_by_itself_is_judged_by_its_status_alone(status: int, verdict: Verdict) -> None:
    result = concluded(WELL, (), status, "itself")
    assert (result.verdict, result.tier, result.detected_after_s) == (verdict, None, None)
    assert {each.state for each in result.ranks} == {RankState.EXITED}


def test_what_had_been_proven_of_a_job_that_went_on_is_called_a_bug() -> None:
    (finding,) = concluded(WELL, (HUNG,), 0, "itself").findings
    assert finding.recovered
    assert "bug of hangprobe" in finding.says


def test_a_parked_helper_of_a_job_that_went_on_is_no_bug() -> None:
    (finding,) = concluded(WELL, (PARKED,), 0, "itself").findings
    assert finding.recovered
    assert "bug" not in finding.says


def test_a_parked_helper_makes_no_verdict_and_no_mechanism_of_a_rank() -> None:
    result = concluded(WELL, (PARKED,), 130, "user")
    assert (result.verdict, result.tier) == (Verdict.UNKNOWN, None)
    assert {each.mechanism for each in result.ranks} == {None}


def test_a_hang_that_the_user_ended_is_still_a_hang() -> None:
    assert concluded(HELD, (HUNG,), 130, "user").verdict is Verdict.HANG


def test_a_rank_that_has_gone_is_exited_while_the_others_hang() -> None:
    result = concluded(HELD, (HUNG,), None, "hangprobe", is_rank_gone=True)
    assert result.ranks[1].state is RankState.EXITED


def test_a_stall_without_a_finding_has_the_tier_stalled() -> None:
    stalled = RankVerdict(1, RankState.STALLED, "")
    result = concluded(stalled, (), None, "hangprobe")
    assert (result.verdict, result.tier) == (Verdict.STALL, Tier.STALLED)
