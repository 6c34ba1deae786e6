"""A proof holds until a thread of the knot runs, whatever a later look cannot tell."""

from __future__ import annotations

import pytest

from hangprobe.judge.standing import uphold
from hangprobe.judgement import Judgement
from hangprobe.model import DoubleCollect, ProcessView, RankState

from .builders import CHILD, MAIN, but, judged, process, stuck_child, thread, tid, twice, waiting_main

UNTOLD = process(thread(tid(CHILD), None), parent=MAIN)
"""The child, of whose wait a later look cannot tell who could end it."""


def upheld(*later: ProcessView, earlier: tuple[ProcessView, ...] = ()) -> Judgement:
    then, now = twice(*(earlier or (waiting_main(), stuck_child()))), twice(*later)
    return uphold(judged(then), then.second, judged(now), now.second)


def test_a_look_that_cannot_tell_takes_no_proof_back() -> None:
    assert judged(twice(waiting_main(), UNTOLD)).ranks[0].state is not RankState.PROVEN
    kept = upheld(waiting_main(), UNTOLD)
    assert (kept.ranks[0].state, kept.ranks[0].hung) == (RankState.PROVEN, True)
    assert kept.proven == kept.blocked == {tid(MAIN), tid(CHILD)}


@pytest.mark.parametrize(
    "change", [{"run_count": 8}, {"call": "61 0x15"}, {"state": "R"}, {"start_time": 6}, {"run_count": None}]
)
def test_a_proof_is_over_when_a_member_has_run_or_is_another(change: dict[str, object]) -> None:
    moved = process(but(UNTOLD.threads[0], **change), parent=MAIN)
    assert not upheld(waiting_main(), moved).ranks[0].hung


def test_a_proof_is_over_when_a_member_is_gone() -> None:
    assert not upheld(process(thread(tid(MAIN), None))).ranks[0].hung


def test_what_was_not_proven_is_not_upheld() -> None:
    blocked = (waiting_main(signals="catches TERM"), stuck_child())
    assert not upheld(waiting_main(), UNTOLD, earlier=blocked).ranks[0].hung


def test_what_a_later_look_proves_by_itself_stays_as_that_look_has_it() -> None:
    double: DoubleCollect = twice(waiting_main(), stuck_child())
    assert upheld(waiting_main(), stuck_child()) == judged(double)
