"""What a watchdog may cost."""

from __future__ import annotations

import pytest

from hangprobe.policy import Policy
from hangprobe.schedule import Schedule


@pytest.mark.parametrize(
    ("spent_s", "elapsed_s", "affords"),
    [(0.0, 0.0, True), (2.0, 0.0, True), (2.1, 0.0, False), (2.1, 2.0, True), (7.1, 100.0, False), (6.9, 100.0, True)],
)
def test_changed_candidates_are_looked_at_within_a_burst_and_a_share_of_the_jobs_time(
    spent_s: float, elapsed_s: float, affords: bool
) -> None:
    schedule = Schedule(Policy(collect_burst_s=2.0, collect_share=0.05), began_s=1000.0)
    schedule.spent_s = spent_s
    assert schedule.affords_collect(1000.0 + elapsed_s) is affords
