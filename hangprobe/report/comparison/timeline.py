"""One trial over time as plotly's JSON: when its managers registered, which task ran where, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hangprobe.ensemble.records import ManagerSeen, Outcome, TaskSeen, TaskState, Trial
from hangprobe.report.comparison.plots import FRAME_PX, ROW_PX, plain
from hangprobe.report.comparison.values import Comparison

WORKERS_SHOWN, NODES_SHOWN = 48, 60
"""Rows of a timeline: more workers are folded to their nodes, and more nodes are left out, and that is said."""
BAR = 0.72
"""Height of a bar, of a row's."""
STATES = {
    TaskState.DONE: ("done", "done", ""),
    TaskState.FAILED: ("failed", "failed", "x"),
    TaskState.HUNG: ("hung", "hung", "/"),
    TaskState.RUNNING: ("running", "had not ended", "-"),
    TaskState.LOST: ("lost", "lost", "."),
}
"""State -> ink, name in the legend, pattern."""


def timelines(trials: Sequence[Trial], comparison: Comparison) -> dict[str, str]:
    """Return the figures of the trials that stand for their cells, hung cells first: `trial-7` -> plotly's JSON."""
    by_number = {each.number: each for each in trials}
    examples = [by_number[each.example] for each in comparison.cells if each.example in by_number]
    examples.sort(key=lambda each: each.outcome is not Outcome.HUNG)
    found = {f"trial-{each.number}": timeline(each) for each in examples}
    return {name: figure for name, figure in found.items() if figure is not None}


def timeline(trial: Trial) -> str | None:
    """Return the managers and tasks of a trial over time, a row a worker; None if nothing of it was seen."""
    from plotly import graph_objects as go

    tasks = [each for each in trial.tasks if each.began_s is not None and each.host is not None]
    hosts = hosts_shown(trial)
    if not tasks and not trial.managers:
        return None
    rows = _rows(trial, hosts, tasks)
    figure = go.Figure(layout={"template": "none"})
    managers = [each for each in trial.managers if each.host in hosts]
    if managers:
        figure.add_trace(_managers(managers, trial, rows))
    for state in TaskState:
        own = [each for each in tasks if each.state is state and each.host in hosts]
        if own:
            figure.add_trace(_bars(own, state, trial, rows))
    labels = [plain(f"{name}  ") for name in rows]
    figure.update_layout(height=FRAME_PX + ROW_PX * len(rows), barmode="overlay")
    figure.update_xaxes(title="seconds since the trial's start", range=[0, max(trial.duration_s, 0.1)])
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=labels, range=[len(rows) - 0.4, -0.6])
    return str(figure.to_json())


def hosts_shown(trial: Trial) -> list[str]:
    """Return the nodes of a timeline, the first ones of very many."""
    every = dict.fromkeys([*trial.managers_expected, *(each.host for each in trial.managers)])
    every |= dict.fromkeys(each.host for each in trial.tasks if each.host is not None)
    return list(every)[:NODES_SHOWN]


def _rows(trial: Trial, hosts: Sequence[str], tasks: Sequence[TaskSeen]) -> dict[str, int]:
    """Return row names in order: of each node its manager, then its workers unless there are too many."""
    workers = {(each.host, each.worker) for each in tasks if each.worker is not None}
    names: list[str] = []
    for host in hosts:
        names.append(host)
        if len(workers) <= WORKERS_SHOWN:
            names += [_row(host, worker) for worker in sorted(w for at, w in workers if at == host and w is not None)]
    return {name: row for row, name in enumerate(names)}


def _row(host: str | None, worker: int | None) -> str:
    return f"{host} worker {worker}"


def _managers(managers: Sequence[ManagerSeen], trial: Trial, rows: dict[str, int]) -> Any:
    from plotly import graph_objects as go

    began = [each.started_s or 0.0 for each in managers]
    ends = [each.registered_s if each.registered_s is not None else trial.duration_s for each in managers]
    words = ["registered" if each.registered_s is not None else "never registered" for each in managers]
    return go.Bar(
        orientation="h",
        base=began,
        x=[end - begin for begin, end in zip(began, ends, strict=True)],
        y=[rows[each.host] for each in managers],
        name="manager, until it registered",
        text=[f"{plain(each.host)}: {said} {end:.2f} s" for each, said, end in zip(managers, words, ends, strict=True)],
        width=BAR,
        hoverinfo="text",
        textposition="none",
        meta={"ink": "manager"},
    )


def _bars(tasks: Sequence[TaskSeen], state: TaskState, trial: Trial, rows: dict[str, int]) -> Any:
    from plotly import graph_objects as go

    ink, name, pattern = STATES[state]
    began = [each.began_s or 0.0 for each in tasks]
    ends = [each.ended_s if each.ended_s is not None else trial.duration_s for each in tasks]
    spans = list(zip(tasks, began, ends, strict=True))
    said = [f"task {each.task} on {each.host}, pid {each.pid}: {name}, {a:.2f} to {b:.2f} s" for each, a, b in spans]
    return go.Bar(
        orientation="h",
        base=began,
        x=[max(end - begin, 0.0) for _, begin, end in spans],
        y=[rows.get(_row(each.host, each.worker), rows.get(each.host or "", 0)) for each in tasks],
        name=f"task {name}",
        text=[plain(each) for each in said],
        width=BAR,
        hoverinfo="text",
        textposition="none",
        marker={"pattern": {"shape": pattern, "fillmode": "overlay", "solidity": 0.35}, "line": {"width": 1}},
        meta={"ink": ink},
    )
