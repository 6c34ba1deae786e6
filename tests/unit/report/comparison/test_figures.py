"""The figures hold what was measured, and their text is text."""

from __future__ import annotations

import json
from typing import Any

from hangprobe.ensemble.records import Outcome
from hangprobe.report.comparison.build import compare
from hangprobe.report.comparison.plots import distributions, plain
from hangprobe.report.comparison.timeline import NODES_SHOWN, hosts_shown, timeline, timelines

from .campaigns import flagship, hostile, trial


def traces(figure: str | None) -> list[dict[str, Any]]:
    assert figure is not None
    found: list[dict[str, Any]] = json.loads(figure)["data"]
    return found


def test_distributions_have_a_mark_for_each_completed_trial() -> None:
    comparison = compare(*flagship())
    completed = sum(len(each.times) for each in comparison.cells)
    for figure in distributions(comparison).values():
        marks = [each for each in traces(figure) if each.get("showlegend") is not False]
        assert sum(len(each["x"]) for each in marks) == completed == 60


def test_timeline_has_every_task_that_began() -> None:
    plan, done = flagship(1)
    example = next(each for each in done if each.cell.workload == "stdin-child" and each.outcome is Outcome.HUNG)
    bars = {each["name"]: len(each["x"]) for each in traces(timeline(example))}
    assert bars == {"manager, until it registered": 3, "task done": 4, "task hung": 4}
    assert plan.plan


def test_each_cell_has_its_timeline_hung_ones_first() -> None:
    plan, done = flagship(2)
    comparison = compare(plan, done)
    names = list(timelines(done, comparison))
    outcome = {f"trial-{each.number}": each.outcome for each in done}
    kinds = [outcome[name] is Outcome.HUNG for name in names]
    assert len(names) == len(comparison.cells)
    assert kinds == sorted(kinds, reverse=True)


def test_text_of_figures_is_escaped() -> None:
    campaign, done = hostile()
    for figure in timelines(done, compare(campaign, done)).values():
        assert "<script" not in figure
        assert "<img" not in figure
    assert plain("<b>&\x1b") == "&lt;b&gt;&amp;?"


def test_timeline_of_very_many_nodes_stays_small() -> None:
    plan, _ = flagship(1)
    hosts = [f"n{number:04}" for number in range(500)]
    example = trial(next(each for each in plan.plan if each.cell.workload == "openmp"), Outcome.HUNG, hosts)
    assert len(hosts_shown(example)) == NODES_SHOWN
    height = json.loads(timeline(example) or "{}")["layout"]["height"]
    assert height < 2000
