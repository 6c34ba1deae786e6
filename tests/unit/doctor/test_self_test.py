"""The self-test passes only if the hang is proven for the right reason, and the look-alike was left alone."""

from __future__ import annotations

import pytest

from hangprobe.doctor.checkup import State
from hangprobe.doctor.selftest import judge_hang, judge_look_alike
from hangprobe.model import Launcher, Tier, Verdict
from hangprobe.result import Finding, Result, Watched


def found(mechanism: str, tier: Tier) -> Finding:
    return Finding(mechanism, tier, True, "0", (), (), {}, "a child waits")


def result(verdict: Verdict, tier: Tier | None, *findings: Finding, looks: int = 3) -> Result:
    return Result(
        verdict=verdict,
        tier=tier,
        command=("python",),
        launcher=Launcher.NONE,
        exit_status=None,
        ended_by="hangprobe",
        started_at="2026-11-22T00:00:00Z",
        duration_s=1.0,
        detected_after_s=0.25,
        ranks=(),
        findings=findings,
        start_methods={},
        watched=Watched(0.25, 4, looks),
    )


PROVEN = found("fork-orphaned-lock", Tier.PROVEN)


def test_the_hang_is_proven_and_it_is_said_how_soon() -> None:
    said = judge_hang(result(Verdict.HANG, Tier.PROVEN, PROVEN))
    assert said.state is State.OK
    assert "0.25 s" in said.says


@pytest.mark.parametrize(
    "seen",
    [
        result(Verdict.UNKNOWN, None),
        result(Verdict.STALL, Tier.STALLED),
        result(Verdict.HANG, Tier.LEAK, found("fork-orphaned-lock", Tier.LEAK)),
        result(Verdict.HANG, Tier.PROVEN, found("wait-cycle", Tier.PROVEN)),
    ],
)
def test_anything_less_is_no_proof(seen: Result) -> None:
    said = judge_hang(seen)
    assert said.state is State.MISSING
    assert seen.verdict in said.says


def test_a_look_alike_that_was_looked_at_is_cleared() -> None:
    said = judge_look_alike(result(Verdict.OK, None, found("dead-helper", Tier.BLOCKED)))
    assert said.state is State.OK
    assert "3 double collects" in said.says


def test_a_look_alike_that_nobody_looked_at_proves_nothing() -> None:
    assert judge_look_alike(result(Verdict.OK, None, looks=0)).state is State.MISSING


@pytest.mark.parametrize(
    "seen", [result(Verdict.HANG, Tier.PROVEN, PROVEN), result(Verdict.OK, None, PROVEN), result(Verdict.FAILED, None)]
)
def test_a_look_alike_that_was_accused_or_ended_is_a_failure(seen: Result) -> None:
    assert judge_look_alike(seen).state is State.MISSING
