"""What is said of a job, by how it ended and what had been seen."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hangprobe.conclude import conclude
from hangprobe.evidence import Suspects
from hangprobe.judgement import Judgement, RankVerdict
from hangprobe.model import Launcher, ProcessId, RankState, RankView, Tier, Unreadable, Verdict
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
    suspects: Suspects | None = None,
) -> Result:
    """Return the document about a job of two ranks."""
    watchdog = Watchdog(root=1, command=1, policy=Policy(), record=Writer(None))
    running = (rank(0),) if is_rank_gone else (rank(0), rank(1))
    watchdog.ranks = (rank(0), rank(1))
    watchdog.sample = Sample(0.0, running, progress={}, graphs={}, tasks={}, process_count=2, thread_count=2)
    watchdog.judgement = Judgement(0.0, frozenset(), frozenset(), (verdict,))
    watchdog.findings = findings
    watchdog.history = {(finding.mechanism, finding.tier): finding for finding in findings}
    watchdog.detected_after_s = 0.5
    watchdog.suspects = suspects or Suspects()
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


# Why a rank is in its state, in words.


@pytest.mark.parametrize("state", list(RankState))
def test_an_entry_says_why_where_no_finding_does(state: RankState) -> None:
    verdict = RankVerdict(1, state, "waits for FLOCK, held by pid 40", hung=False)
    result = concluded(verdict, (), None, "user")
    is_said = state in {RankState.BLOCKED, RankState.STALLED, RankState.UNKNOWN}
    assert result.ranks[1].why == ("waits for FLOCK, held by pid 40" if is_said else None)


def test_of_a_rank_without_a_verdict_nothing_is_said() -> None:
    assert concluded(HELD, (HUNG,), None, "hangprobe").ranks[0].why is None


def test_of_a_rank_that_has_gone_nothing_is_said_any_more() -> None:
    blocked = RankVerdict(1, RankState.BLOCKED, "pid 4 catches TERM")
    assert concluded(blocked, (), None, "hangprobe", is_rank_gone=True).ranks[1].why is None
    assert concluded(blocked, (), 0, "itself").ranks[1].why is None


# Tiers.

LEAK = Finding("leaked-file-lock", Tier.LEAK, False, "1", (), (), {}, "rank 1 waits")


def test_a_leak_makes_the_tier_of_the_job_leak() -> None:
    leaking = RankVerdict(1, RankState.LEAK, "", hung=True)
    result = concluded(leaking, (LEAK, PARKED), None, "hangprobe")
    assert (result.verdict, result.tier) == (Verdict.HANG, Tier.LEAK)
    assert result.ranks[1].mechanism == "leaked-file-lock"


def test_a_proof_beside_a_leak_makes_it_proven() -> None:
    assert concluded(HELD, (LEAK, HUNG), None, "hangprobe").tier is Tier.PROVEN


def test_a_leak_of_a_job_that_went_on_is_kept_as_recovered_and_is_no_bug() -> None:
    (finding,) = concluded(WELL, (LEAK,), 0, "itself").findings
    assert finding.recovered
    assert "bug" not in finding.says


def test_what_could_not_be_read_of_the_suspects_stands_in_the_document() -> None:
    unread = Unreadable("stack of pid 4", "no answer")
    assert concluded(HELD, (HUNG,), None, "hangprobe", suspects=Suspects(unreadable=(unread,))).unreadable == (unread,)
