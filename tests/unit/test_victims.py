"""Who is looked into beside a hang, and who is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from hangprobe import diagnosis
from hangprobe.diagnosis import Diagnosis
from hangprobe.judgement import Judgement, RankVerdict
from hangprobe.model import Launcher, ProcessId, RankState, RankView
from hangprobe.observe.reader import Reader
from hangprobe.policy import Policy

HUNG = RankVerdict(0, RankState.PROVEN, "", hung=True)


def view(rank: int) -> RankView:
    process = ProcessId("node01", 100 + rank, 1)
    return RankView(rank, Launcher.HYDRA, process, process, (process,))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ranks whose stacks were read; all of them are in MPI."""
    found: list[int] = []

    def read(reader: Reader, ranks: Sequence[RankView], deadline_s: float) -> frozenset[int]:
        found.extend(rank.rank for rank in ranks)
        return frozenset(found)

    monkeypatch.setattr(diagnosis, "read_bystanders", read)
    return found


def states(judgement: Judgement | None) -> dict[int, RankState]:
    return {rank.rank: rank.state for rank in judgement.ranks} if judgement is not None else {}


def looked_into(*verdicts: RankVerdict, **details: Any) -> Diagnosis:
    made = Diagnosis(judgement=Judgement(0.0, frozenset(), frozenset(), verdicts))
    made.name_victims(Reader(), [view(verdict.rank) for verdict in verdicts], Policy(), **details)
    return made


def test_a_rank_beside_a_hung_one_waits_for_it(asked: list[int]) -> None:
    found = looked_into(HUNG, RankVerdict(1, RankState.PROGRESSING, ""))
    assert asked == [1]
    assert states(found.judgement) == {0: RankState.PROVEN, 1: RankState.WAITING}


def test_a_rank_that_rests_is_left_alone_for_a_stack_would_wake_it(asked: list[int]) -> None:
    """A leak rests on a window without a run: on three nodes the report of one kept the others from theirs."""
    found = looked_into(
        HUNG, RankVerdict(1, RankState.PROGRESSING, ""), RankVerdict(2, RankState.STALLED, ""), resting=frozenset({1})
    )
    assert asked == [2]
    assert states(found.judgement) == {0: RankState.PROVEN, 1: RankState.PROGRESSING, 2: RankState.WAITING}


def test_without_a_hang_nobody_is_looked_into_unless_one_is_elsewhere(asked: list[int]) -> None:
    working = RankVerdict(1, RankState.PROGRESSING, "")
    looked_into(working)
    assert asked == []
    assert states(looked_into(working, elsewhere=frozenset({7})).judgement) == {1: RankState.WAITING}
