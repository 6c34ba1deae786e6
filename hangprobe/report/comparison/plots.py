"""Figures of the HTML page as plotly's JSON: the distributions of completed trials, and what all figures share.

Colours are not in them: a trace names its ink in `meta`, and the page fills in what fits its light or dark mode. Text
from outside is escaped, for plotly obeys a few tags in labels and in what it shows under the mouse.
"""

from __future__ import annotations

import html
import json
import statistics
from collections.abc import Sequence
from functools import cache
from typing import Any

from hangprobe.report.comparison.names import heading, subject
from hangprobe.report.comparison.values import CellResult, Comparison

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "hexagon", "x")
"""One a launcher, so that colour is not the only sign."""
MEASURES = {
    "registered_s": ("All managers registered", "seconds since the driver's start"),
    "first_task_s": ("First task begun", "seconds since the driver's start"),
    "throughput": ("Throughput", "tasks a second"),
}
ROW_PX, FRAME_PX = 22, 102


def plain(text: str) -> str:
    """Return text that plotly shows as it is."""
    visible = "".join(letter if letter.isprintable() else "?" for letter in text)
    return html.escape(visible, quote=False)


def distributions(comparison: Comparison) -> dict[str, str]:
    """Return a figure for each measure that completed trials have: name -> plotly's JSON."""
    results = [each for each in comparison.cells if each.times]
    return {measure: _strips(comparison, results, measure) for measure in MEASURES if _has(results, measure)}


def _has(results: Sequence[CellResult], measure: str) -> bool:
    return any(getattr(each, measure) is not None for result in results for each in result.times)


def _strips(comparison: Comparison, results: Sequence[CellResult], measure: str) -> str:
    """Return one row a cell: a mark for each trial, and a bar at their median."""
    from plotly import graph_objects as go

    names = list(dict.fromkeys(each.cell.launcher for each in comparison.cells))
    every = [each.cell for each in comparison.cells]
    subjects = list(dict.fromkeys(subject(each, every) for each in every))
    rows = sorted(results, key=lambda e: (subjects.index(subject(e.cell, every)), names.index(e.cell.launcher)))
    figure = go.Figure(layout={"template": "none"})
    for number, name in enumerate(names):
        own = [(row, result) for row, result in enumerate(rows) if result.cell.launcher == name]
        points = [(row, each, getattr(each, measure)) for row, result in own for each in result.times]
        points = [each for each in points if each[2] is not None]
        if points:
            figure.add_trace(_marks(points, name, number))
            figure.add_trace(_medians(points, number))
    labels = [plain(f"{subject(each.cell, every)}  ") for each in rows]
    figure.update_layout(height=FRAME_PX + ROW_PX * len(rows), xaxis_title=MEASURES[measure][1])
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=labels, range=[len(rows) - 0.4, -0.6])
    return str(figure.to_json())


def _marks(points: Sequence[tuple[int, Any, float]], name: str, number: int) -> Any:
    from plotly import graph_objects as go

    return go.Scatter(
        x=[round(value, 4) for _, _, value in points],
        y=[row + _aside(index) for index, (row, _, _) in enumerate(points)],
        mode="markers",
        name=plain(heading(name)),
        text=[f"trial {each.trial}, block {each.block}: {value:.2f}" for _, each, value in points],
        hoverinfo="text+name",
        marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 6, "opacity": 0.7},
        meta={"ink": f"launcher-{number % len(SYMBOLS)}"},
    )


def _aside(index: int) -> float:
    """Return how far a mark stands beside its row, so that equal values do not hide each other."""
    return 0.44 * (index * 0.618034 % 1 - 0.5)


def _medians(points: Sequence[tuple[int, Any, float]], number: int) -> Any:
    from plotly import graph_objects as go

    rows = list(dict.fromkeys(row for row, _, _ in points))
    medians = [statistics.median(value for at, _, value in points if at == row) for row in rows]
    return go.Scatter(
        x=medians,
        y=rows,
        mode="markers",
        showlegend=False,
        text=[f"median {value:.2f}" for value in medians],
        hoverinfo="text",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 2.5}},
        meta={"ink": f"launcher-{number % len(SYMBOLS)}"},
    )


def embedded(figures: dict[str, str]) -> str:
    """Return all figures as one JSON object that can stand inside a script element."""
    text = "{" + ",".join(f"{json.dumps(name)}:{figure}" for name, figure in figures.items()) + "}"
    for letter, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u2028", "\\u2028")):
        text = text.replace(letter, code)
    return text.replace("\u2029", "\\u2029")


@cache
def library() -> str:
    """Return plotly's program, packed (gzip, base64): 2 MB instead of 4.8."""
    import base64
    import gzip

    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()
