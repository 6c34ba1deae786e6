"""What a watchdog may cost."""

from __future__ import annotations

import pytest

from hangprobe.diagnosis import Diagnosis
from hangprobe.model import Launcher, ProcessId, RankView
from hangprobe.observe.candidates import Graphs, Task, WatchedTask
from hangprobe.observe.sampler import Sample
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


@pytest.mark.parametrize(
    ("costs_s", "interval_s"),
    [
        ([], 0.25),
        ([0.001] * 9, 0.25),
        ([0.002] * 9, 0.4),
        ([0.002] * 6 + [9.0] * 3, 0.4),
        ([0.5] * 3, 0.25),
        ([0.5] * 9, 2.0),
    ],
    ids=["nothing known", "cheap", "dear", "some met a job", "the first met a job", "very dear"],
)
def test_what_a_sample_costs_stretches_the_interval(costs_s: list[float], interval_s: float) -> None:
    schedule = Schedule(Policy(sample_share=0.005, interval_s=0.25, interval_max_s=2.0), began_s=1000.0)
    for cost_s in costs_s:
        schedule.sampled(cost_s)
    assert schedule.interval_s(1000.0) == pytest.approx(interval_s)


def test_a_longer_interval_that_was_asked_for_is_kept() -> None:
    schedule = Schedule(Policy(interval_s=7.0, interval_max_s=2.0), began_s=1000.0)
    assert schedule.interval_s(None) == 7.0


def sample(candidate: bool = False, run_count: int = 5, redrawn: bool = True) -> Sample:
    """Return a sample of one rank, whose main thread waits for a lock of which nobody is known to have it."""
    top = ProcessId("node01", 200, 1200)
    ranks = (RankView(0, Launcher.HYDRA, top, top, (top,)),)
    graph = {(200, 200): frozenset[Task]()} if candidate else {}
    tasks = {200: {200: WatchedTask(200, None, run_count=run_count)}}
    changed = frozenset({0}) if redrawn else frozenset[int]()
    return Sample(0.0, ranks, {}, {0: Graphs(graph, graph)}, tasks, 1, 1, redrawn=changed)


def test_candidates_are_taken_anew_of_ranks_that_have_changed() -> None:
    schedule = Schedule(Policy(), began_s=0.0)
    assert schedule.candidates_in(sample()) == frozenset()
    assert schedule.candidates_in(sample(candidate=True, redrawn=False)) == frozenset()
    assert schedule.candidates_in(sample(candidate=True)) == {((200, 200), 5)}
    assert schedule.candidates_in(sample(candidate=True, run_count=6)) == {((200, 200), 6)}


def test_the_same_candidates_are_looked_at_again_only_as_far_as_the_budget_goes() -> None:
    schedule = Schedule(Policy(collect_burst_s=2.0, collect_share=0.05), began_s=0.0)
    seen = sample(candidate=True)
    candidates = schedule.candidates_in(seen)
    diagnosis = Diagnosis()
    assert schedule.is_due(candidates, seen, 0.0, diagnosis)
    schedule.spent_s = 3.0
    schedule.looked(candidates, 0.0)
    assert [schedule.is_due(candidates, seen, now_s, diagnosis) for now_s in (1.0, 19.0, 21.0)] == [False, False, True]
