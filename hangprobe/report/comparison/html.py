"""A comparison as one self-contained HTML page: no request to any network, whatever opens it.

What comes from outside (names of hosts and processes, errors, a launcher's words) goes through jinja2's escaping; the
page's own policy (Content-Security-Policy) forbids everything that is not in the file.
"""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING

from hangprobe.ensemble.records import Trial
from hangprobe.explain.catalogue import MECHANISMS
from hangprobe.model import Frozen
from hangprobe.ranksets import fold_hosts
from hangprobe.report.comparison import names
from hangprobe.report.comparison.cells import beside
from hangprobe.report.comparison.plots import MEASURES, distributions, embedded, library
from hangprobe.report.comparison.ratios import MEASURES as IN_WORDS
from hangprobe.report.comparison.timeline import NODES_SHOWN, timelines
from hangprobe.report.comparison.unfinished import ends_nowhere
from hangprobe.report.comparison.values import CellResult, Comparison, Effect, MeasuredRatio, Pair, Remedy

if TYPE_CHECKING:
    from markupsafe import Markup

WIDEST = 2.0
"""Ratios are drawn from half to twice; beyond that an interval is cut off and its figures tell."""


class Row(Frozen, frozen=True):
    """A line of the table of cells."""

    subject: str
    control: str | None
    cells: tuple[CellResult | None, ...]
    """One a launcher."""


class Example(Frozen, frozen=True):
    """A timeline and what it shows."""

    figure: str
    result: CellResult
    trial: Trial
    has_more_nodes: bool


class Start(Frozen, frozen=True):
    """How the workers of a launcher and a Parsl were started."""

    parsl: str
    launcher: str
    seen: str
    said: str | None
    workers: int


class Span(Frozen, frozen=True):
    """A ratio and its interval as places on a scale of 0 to 100."""

    at: float
    low: float
    high: float


def page(comparison: Comparison, trials: Sequence[Trial]) -> str:
    """Return the whole page. Raises ImportError without jinja2 or plotly."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=PackageLoader("hangprobe.report.comparison", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        beside=beside,
        coded=coded,
        confidence=names.confidence,
        count=names.count,
        heading=names.heading,
        launcher=names.launcher,
        percent=names.percent,
        points=names.points,
        p_value=names.p_value,
        sentence_case=names.sentence_case,
        span=span,
        visible=visible,
    )
    plots = distributions(comparison)
    examples = _examples(comparison, trials, drawn := timelines(trials, comparison))
    every = [each.cell for each in comparison.cells]
    return environment.get_template("report.html.j2").render(
        c=comparison,
        launchers=_launchers(comparison),
        rows=_rows(comparison),
        subject=lambda cell: names.subject(cell, every),
        mechanisms=_mechanisms(comparison),
        measures={name: title for name, (title, _) in MEASURES.items() if name in plots},
        ratio_names=IN_WORDS,
        examples=examples,
        not_cured=_not_cured(comparison),
        ends_nowhere=ends_nowhere(comparison),
        remedies=_remedies(comparison),
        starts=_starts(comparison),
        hosts=fold_hosts(comparison.environment.hosts),
        effects=EFFECTS,
        command=shlex.join(comparison.command),
        figures=_safe(embedded(plots | drawn)),
        library=_safe(library()),
        style=_safe(_source("style.css")),
        script=_safe(_source("page.js")),
    )


EFFECTS = {
    Effect.CURES: "cured",
    Effect.RARER: "rarer, not cured",
    Effect.NOT_CURED: "not cured",
    Effect.BRINGS: "brought",
    Effect.UNDECIDED: "cannot be told",
    Effect.NOT_REPRODUCED: "no hang",
    Effect.NO_EVIDENCE: "no evidence",
}


def coded(text: str) -> Markup:
    """Return text with what stands in backticks as code, all of it escaped."""
    from markupsafe import Markup, escape

    parts = enumerate(visible(text).split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in parts)


def visible(text: str) -> str:
    """Return text without control characters, which a browser would drop or obey."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text)


def span(ratio: MeasuredRatio) -> Span:
    """Return where a ratio stands on a logarithmic scale from 1 / WIDEST to WIDEST."""
    low, high = ratio.low or ratio.estimate, ratio.high or ratio.estimate
    return Span(*(_place(each) for each in (ratio.estimate, low, high)))


def _place(value: float) -> float:
    share = math.log(max(value, 1e-9)) / math.log(WIDEST)
    return round(50 + 50 * min(1.0, max(-1.0, share)), 2)


def _launchers(comparison: Comparison) -> list[str]:
    return list(dict.fromkeys(each.cell.launcher for each in comparison.cells))


def _rows(comparison: Comparison) -> list[Row]:
    every = [each.cell for each in comparison.cells]
    found: dict[str, dict[str, CellResult]] = {}
    for each in comparison.cells:
        found.setdefault(names.subject(each.cell, every), {})[each.cell.launcher] = each
    return [
        Row(
            name,
            next((each.control for each in row.values() if each.control), None),
            tuple(row.get(each) for each in _launchers(comparison)),
        )
        for name, row in found.items()
    ]


def _examples(comparison: Comparison, trials: Sequence[Trial], drawn: dict[str, str]) -> list[Example]:
    results = {each.example: each for each in comparison.cells}
    by_name = {f"trial-{each.number}": each for each in trials}
    found = ((name, by_name[name]) for name in drawn)
    return [
        Example(name, results[trial.number], trial, len(set(trial.managers_expected)) > NODES_SHOWN)
        for name, trial in found
    ]


def _mechanisms(comparison: Comparison) -> list[tuple[str, str]]:
    slugs = dict.fromkeys(each.mechanism for result in comparison.cells for each in result.mechanisms)
    return [(slug, MECHANISMS[slug].text) for slug in slugs if slug in MECHANISMS]


def _remedies(comparison: Comparison) -> list[tuple[str, list[Remedy]]]:
    """Return the cures of each mechanism, in the order in which the mechanisms are told."""
    found: dict[str, list[Remedy]] = {}
    for each in comparison.remedies:
        found.setdefault(each.mechanism, []).append(each)
    return list(found.items())


def _starts(comparison: Comparison) -> list[Start]:
    workers: Counter[tuple[str, str, str, str | None]] = Counter()
    for each in comparison.cells:
        for start in each.start_methods:
            workers[each.cell.parsl, each.cell.launcher, start.seen, start.said] += start.workers
    return [Start(*key, number) for key, number in workers.items()]


def _not_cured(comparison: Comparison) -> list[tuple[Pair, CellResult]]:
    results = {each.cell: each for each in comparison.cells}
    cured = {each.first for each in comparison.pairs if each.effect is Effect.CURES}
    still = [each for each in comparison.pairs if each.effect in {Effect.NOT_CURED, Effect.RARER}]
    return [(each, results[each.first]) for each in still if each.first not in cured]


def _source(name: str) -> str:
    """Return a part of the page that has no marks of jinja2 in it."""
    text = resources.files("hangprobe.report.comparison").joinpath("templates", name).read_text("utf-8")
    assert not re.search("</(script|style)", text)
    return text


def _safe(text: str) -> Markup:
    from markupsafe import Markup

    return Markup(text)  # the project's own, or embedded()'s
