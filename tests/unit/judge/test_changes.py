"""What makes a hang stand unchanged, so that a job may be ended after the grace period."""

from __future__ import annotations

import pytest

from hangprobe.judge.changes import what_holds, what_stands
from hangprobe.judgement import Judgement, RankVerdict
from hangprobe.model import RankState

from .builders import CHILD, tid

HUNG = RankVerdict(1, RankState.PROVEN, "in the knot", hung=True, culprits=(tid(CHILD),))
QUIET = RankVerdict(0, RankState.STALLED, "no thread of it has run for the window")
VICTIM = RankVerdict(0, RankState.WAITING, "waits in MPI for rank 1")


def judgement(*ranks: RankVerdict) -> Judgement:
    return Judgement(5.0, frozenset(), frozenset(), ranks)


@pytest.mark.parametrize("what", [what_holds, what_stands])
def test_a_quiet_rank_that_is_named_as_a_victim_changes_nothing_about_the_hang(what: object) -> None:
    assert callable(what)
    assert what(judgement(QUIET, HUNG)) == what(judgement(VICTIM, HUNG))


@pytest.mark.parametrize("what", [what_holds, what_stands])
def test_a_stall_alone_stands_for_itself(what: object) -> None:
    assert callable(what)
    assert what(judgement(QUIET)) != what(judgement(VICTIM))


def test_another_rank_that_hangs_is_a_change() -> None:
    assert what_stands(judgement(HUNG)) != what_stands(judgement(HUNG, HUNG.but(rank=2)))
