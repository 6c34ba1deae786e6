"""When hangprobe ends a job that does not end by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hangprobe.judgement import Judgement, RankVerdict
from hangprobe.model import RankState, Tier
from hangprobe.policy import Policy
from hangprobe.probe import Ends, OnHang, OnStall
from hangprobe.record import Writer
from hangprobe.result import Finding
from hangprobe.watchdog import Watchdog
from hangprobe.watched import Alone

PROVEN = RankVerdict(1, RankState.PROVEN, "", hung=True)
CLAUSE_2 = RankVerdict(1, RankState.STALLED, "", hung=True, spared="its main thread is not in the knot itself")
SPARED = RankVerdict(1, RankState.PROVEN, "", hung=True, spared="thread 7 is live")
LEAK = RankVerdict(1, RankState.LEAK, "", hung=True, spared="a leak, not a proof")
QUIET = RankVerdict(1, RankState.STALLED, "")
BLOCKED = RankVerdict(1, RankState.BLOCKED, "pid 4 catches TERM")
ENDS = Ends(OnHang.KILL_PROVEN, OnStall.KILL, grace_s=10.0)


def reason(
    verdict: RankVerdict,
    ends: Ends,
    stood_s: float,
    elapsed_s: float = 20.0,
    assumption: str = "",
    findings: tuple[Finding, ...] = (),
) -> str | None:
    """Return why a job with one rank in this state must be ended."""
    watchdog = Watchdog(root=1, command=1, policy=Policy(), record=Writer(None))
    watchdog.judgement = Judgement(0.0, frozenset(), frozenset(), (verdict,))
    watchdog.standing_since_s = 100.0 - stood_s
    assumptions = (assumption,) if assumption else ()
    watchdog.findings = findings or (Finding("deadlock", Tier.PROVEN, False, "1", (), (), {}, "", assumptions),)
    try:
        return ends.reason(Alone(watchdog), elapsed_s, now_s=100.0)
    finally:
        watchdog.close()


def test_a_proven_hang_is_ended_once_it_has_stood_for_the_grace_period() -> None:
    assert reason(PROVEN, ENDS, stood_s=9.9) is None
    assert reason(PROVEN, ENDS, stood_s=10.0) == "the hang has stood for 10 s"


@pytest.mark.parametrize("verdict", [SPARED, CLAUSE_2, BLOCKED])
def test_kill_proven_ends_nothing_that_has_something_live_beside_it(verdict: RankVerdict) -> None:
    assert reason(verdict, ENDS, stood_s=1000.0) is None


def test_kill_proven_ends_nothing_that_rests_on_an_assumption() -> None:
    assert reason(PROVEN, ENDS, stood_s=1000.0, assumption="A1") is None


@pytest.mark.parametrize("on_stall", list(OnStall))
def test_no_standing_time_makes_an_assumption_a_proof(on_stall: OnStall) -> None:
    ends = replace(ENDS, on_stall=on_stall)
    assert reason(PROVEN, ends, stood_s=1e9, elapsed_s=1e9, assumption="A2") is None


def test_one_finding_with_an_assumption_spares_the_whole_job() -> None:
    sure = Finding("deadlock", Tier.PROVEN, False, "1", (), (), {}, "")
    doubtful = sure.but(mechanism="inherited-pipe-end", ranks="2", assumptions=("A1",))
    for findings in ((sure, doubtful), (doubtful, sure)):
        assert reason(PROVEN, ENDS, stood_s=1000.0, findings=findings) is None
    assert reason(PROVEN, ENDS, stood_s=1000.0, findings=(sure,))


def test_a_leak_is_ended_only_where_asked() -> None:
    assert reason(LEAK, ENDS, stood_s=1000.0) is None
    assert reason(LEAK, replace(ENDS, on_hang=OnHang.KILL), stood_s=10.0)
    assert reason(LEAK, replace(ENDS, on_hang=OnHang.REPORT), stood_s=1000.0) is None


def test_kill_ends_what_rests_on_an_assumption() -> None:
    assert reason(PROVEN, replace(ENDS, on_hang=OnHang.KILL), stood_s=10.0, assumption="A1")


def test_kill_ends_a_spared_hang_too() -> None:
    assert reason(SPARED, replace(ENDS, on_hang=OnHang.KILL), stood_s=10.0)


@pytest.mark.parametrize("verdict", [PROVEN, SPARED, CLAUSE_2])
def test_report_ends_no_hang(verdict: RankVerdict) -> None:
    assert reason(verdict, replace(ENDS, on_hang=OnHang.REPORT), stood_s=1000.0) is None


def test_a_stall_is_ended_only_where_asked() -> None:
    assert reason(QUIET, ENDS, stood_s=10.0) == "the stall has stood for 10 s"
    assert reason(QUIET, replace(ENDS, on_stall=OnStall.REPORT), stood_s=1000.0) is None


def test_nothing_but_the_timeout_ends_a_job_that_is_well() -> None:
    well = RankVerdict(1, RankState.PROGRESSING, "")
    assert reason(well, ENDS, stood_s=1000.0, elapsed_s=1e6) is None
    assert reason(well, replace(ENDS, timeout_s=300.0), stood_s=0.0, elapsed_s=300.0) == "it ran for 300 s (--timeout)"
    assert reason(well, replace(ENDS, timeout_s=300.0), stood_s=0.0, elapsed_s=299.9) is None
