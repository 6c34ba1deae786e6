"""A comparison as a Markdown page, as GitHub shows it; its first ten lines can stand alone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence

from hangprobe.ensemble.records import Cell
from hangprobe.explain.catalogue import MECHANISMS
from hangprobe.report.comparison.cells import beside
from hangprobe.report.comparison.names import confidence, count, heading, launcher, listed, percent, points, subject
from hangprobe.report.comparison.ratios import MEASURES
from hangprobe.report.comparison.unfinished import ends_nowhere
from hangprobe.report.comparison.values import CellResult, Comparison, ContextComparison, Effect, Pair

ROWS = 4
"""Workloads in the summary; the full table follows below it."""


def page(comparison: Comparison) -> str:
    """Return the whole page."""
    parts = [f"# {escape(comparison.name)}: the launchers compared", "\n".join(summary(comparison))]
    parts += [_list(comparison.answer.notes, coded)] if comparison.answer.notes else []
    parts += ["## What hung", _table(comparison, comparison.cells), _mechanisms(comparison)]
    parts += _section("What was sure, and when", _looks(comparison))
    parts += _section("On which nodes", _nodes(comparison))
    parts += _section("Start-up and throughput of completed trials", _ratios(comparison))
    for each in comparison.contexts:
        parts += [f"## How {launcher(each.first.launcher)} and {launcher(each.second.launcher)} start the managers"]
        parts += _contexts(each)
    parts += _section("What no launcher cures", not_cured(comparison))
    parts += _section("What else cures it, without another launcher", _remedies(comparison))
    for found in comparison.recommendations:
        tried = "Measured in this campaign." if found.is_measured else "Not tried in this campaign."
        text = f"{coded(found.text)} {tried}"
        parts += [f"## {escape(found.title[:1].upper() + found.title[1:])}", text, _block(found.code, "python")]
    parts += _section("How workers were started", _start_methods(comparison))
    parts += _section("Launchers that failed, in their own words", _failures(comparison))
    return "\n\n".join([*parts, "## How to repeat it", *_repeat(comparison)]) + "\n"


def summary(comparison: Comparison) -> list[str]:
    """Return ten lines at most: the answer, the first workloads, and why."""
    shown = list(dict.fromkeys(subject(each.cell, _all(comparison)) for each in comparison.cells))[:ROWS]
    cells = [each for each in comparison.cells if subject(each.cell, _all(comparison)) in shown]
    lines = [f"**{coded(comparison.answer.sentence)}**", ""]
    lines += [*_table(comparison, cells, is_brief=True).split("\n"), ""] if cells else []
    return [*lines, _why(comparison)]


def _why(comparison: Comparison) -> str:
    why = next((each.why for each in comparison.contexts if each.why), None)
    settings = comparison.settings
    design = comparison.design
    blocks = count(len(comparison.blocks), "block")
    if design is not None:
        blocks = f"{len(comparison.blocks)} of at most {count(design.looks[-1].blocks, 'block')}"
    made = f"{count(comparison.trials, 'trial')} in {blocks}, {settings.nodes} nodes x {settings.workers_per_node}"
    told = f"Why: {coded(why)}. " if why else ""
    return f"{told}{made} workers, seed {comparison.seed}."


def _all(comparison: Comparison) -> list[Cell]:
    return [each.cell for each in comparison.cells]


def _table(comparison: Comparison, cells: Sequence[CellResult], *, is_brief: bool = False) -> str:
    names = list(dict.fromkeys(each.cell.launcher for each in comparison.cells))
    found: dict[str, dict[str, CellResult]] = {}
    for each in cells:
        found.setdefault(subject(each.cell, _all(comparison)), {})[each.cell.launcher] = each
    rows = [
        f"| trials that hung | {' | '.join(escape(heading(name)) for name in names)} |",
        "|---" * (len(names) + 1) + "|",
    ]
    for name, row in found.items():
        control = next((each.control for each in row.values() if each.control), None)
        title = f"`{name}`" if re.fullmatch(r"[\w:.() ,-]+", name) else escape(name)
        title += f" (control: {control.replace('-', ' ')})" if control else ""
        told = (_cell(row[each], is_brief=is_brief) if each in row else "" for each in names)
        rows.append(f"| {title} | {' | '.join(told)} |")
    return "\n".join(rows)


def _cell(result: CellResult, *, is_brief: bool) -> str:
    rate = result.rate
    text = f"**{rate.hung} of {rate.started}**" if rate.started else "none started"
    text += f" [{percent(rate.low)}, {percent(rate.high)}]" if rate.started and not is_brief else ""
    causes = [each.mechanism if is_brief else f"{each.mechanism} ({each.tier})" for each in result.mechanisms]
    return ", ".join([text, *map(escape, causes), *beside(result)])


def _mechanisms(comparison: Comparison) -> str:
    slugs = dict.fromkeys(each.mechanism for result in comparison.cells for each in result.mechanisms)
    known = [MECHANISMS[slug] for slug in slugs if slug in MECHANISMS]
    return "\n".join(f"- `{each.slug}`: {escape(each.title)}. {escape(each.text)}" for each in known)


def _looks(comparison: Comparison) -> str:
    """Return what each comparison showed at the look; nothing for a campaign that runs to its end."""
    seen = [each for each in comparison.pairs if each.known is not None]
    if comparison.design is None or not seen:
        return ""
    level = confidence(comparison.design.level)
    base = escape(heading(seen[0].first.launcher))
    head = [
        f"Differences of the hang rates in percentage points, with intervals adjusted for all looks; instead of "
        f"{base}:",
        "",
        f"| workload | launcher | difference [{level}] | sure |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *(_look(each, comparison) for each in seen)])


def _look(pair: Pair, comparison: Comparison) -> str:
    interval = f"[{points(pair.low or 0)}, {points(pair.high or 0)}]"
    difference = f"{points(pair.difference)} {interval}" if pair.difference is not None else interval
    name, other = escape(subject(pair.first, _all(comparison))), escape(heading(pair.second.launcher))
    return f"| {name} | {other} | {difference} | {pair.known} |"


def _nodes(comparison: Comparison) -> str:
    rows = ["| | of the hung trials, on these nodes something hung |", "|---|---|"]
    for each in (each for each in comparison.cells if each.hosts):
        hosts = "; ".join(f"{escape(seen.hosts)}: {seen.trials} of {each.rate.hung}" for seen in each.hosts)
        rows.append(f"| {_name(each, comparison)} | {hosts} |")
    return "\n".join(rows) if len(rows) > 2 else ""


def _name(result: CellResult, comparison: Comparison) -> str:
    return f"{escape(subject(result.cell, _all(comparison)))}, {escape(heading(result.cell.launcher))}"


def _ratios(comparison: Comparison) -> str:
    if not comparison.ratios:
        return ""
    rows = ["Ratios are the second launcher's by the first's, of trials that completed under both.", ""]
    rows += ["| workload | second by first | measure | ratio [95 %] | trials |", "|---|---|---|---|---|"]
    for each in comparison.ratios:
        launchers = f"{escape(heading(each.second.launcher))} / {escape(heading(each.first.launcher))}"
        interval = f" [{each.low:.2f}, {each.high:.2f}]" if each.low is not None and each.high is not None else ""
        trials = f"{each.n_second} blocks" if each.is_paired else f"{each.n_second} and {each.n_first}"
        name = escape(subject(each.first, _all(comparison)))
        rows.append(f"| {name} | {launchers} | {MEASURES[each.measure]} | {each.estimate:.2f}{interval} | {trials} |")
    return "\n".join(rows)


def _contexts(found: ContextComparison) -> list[str]:
    intro = f"Trials {found.first_trial} and {found.second_trial}. A manager's number is its node's in the node file."
    parts = [f"Why: {coded(found.why)}."] if found.why else []
    return [*parts, intro, _block("\n".join(found.lines), "text")]


def not_cured(comparison: Comparison) -> str:
    """Return the workloads that hung under every launcher compared, with the mechanism, or that ended under none."""
    lines = []
    for name in dict.fromkeys(each.first for each in comparison.pairs):
        own = [each for each in comparison.pairs if each.first == name]
        still = [each for each in own if each.effect in {Effect.NOT_CURED, Effect.RARER}]
        if still and not any(each.effect is Effect.CURES for each in own):
            result = next(each for each in comparison.cells if each.cell == name)
            causes = listed(f"`{each.mechanism}`" for each in result.mechanisms)
            under = listed(escape(launcher(each.second.launcher)) for each in still)
            lines.append(f"- {escape(subject(name, _all(comparison)))} ({coded(causes)}): not by {under}")
    lines += [f"- {coded(each.says)}" for each in ends_nowhere(comparison)]
    return "\n".join(lines)


def _remedies(comparison: Comparison) -> str:
    lines = [
        f"- {escape(each.mechanism)}: **{escape(each.title)}**. {escape(each.text)}" for each in comparison.remedies
    ]
    return "\n".join(["From the catalogue of mechanisms; not tried in this campaign.", "", *lines]) if lines else ""


def _start_methods(comparison: Comparison) -> str:
    rows = dict.fromkeys(
        f"| {escape(each.cell.parsl)} | {escape(seen.seen)} | {escape(seen.said or 'nothing')} |"
        for each in comparison.cells
        for seen in each.start_methods
    )
    head = ["| Parsl | as seen in the live tree | as Parsl's log says |", "|---|---|---|"]
    return "\n".join([*head, *rows]) if rows else ""


def _failures(comparison: Comparison) -> str:
    parts = []
    for each in comparison.failures:
        how_often = f"{each.outcome} in {each.trials} of {each.of} trials"
        parts.append(f"{escape(launcher(each.launcher))}: {how_often}; {escape(each.why)}")
        parts += [_block("\n".join(each.words), "text")] if each.words else []
    return "\n\n".join(parts)


def _repeat(comparison: Comparison) -> list[str]:
    where = comparison.environment
    facts = {
        "begun": comparison.started_at,
        "seed": str(comparison.seed),
        "site": where.site,
        "nodes": ", ".join(where.hosts),
        "processors": str(where.processors),
        "git": where.git or "no repository",
        **where.versions,
    }
    if comparison.leftovers:
        facts["left behind"] = f"processes: {comparison.leftovers}, ended after their trials"
    if comparison.unseen:
        facts["not looked at after trials"] = ", ".join(comparison.unseen)
    rows = [f"| {escape(name)} | {escape(value)} |" for name, value in facts.items()]
    return [_block(shlex.join(comparison.command), "sh"), "\n".join(["| | |", "|---|---|", *rows])]


def _section(title: str, text: str) -> list[str]:
    return [f"## {title}", text] if text else []


def _list(items: Iterable[str], shown: Callable[[str], str]) -> str:
    return "\n".join(f"- {shown(each)}" for each in items)


def _block(text: str, language: str) -> str:
    """Return a code block in a fence longer than any run of backticks in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def coded(text: str) -> str:
    """Return `text` with what stands in backticks as code, and the rest shown and never obeyed."""
    parts = enumerate(text.split("`"))
    return "".join(_code(part) if number % 2 else _plain(part) for number, part in parts)


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def escape(text: str) -> str:
    """Return `text` such that it is shown and never obeyed."""
    return _plain(text).strip()


def _plain(text: str) -> str:
    visible = "".join(letter if letter.isprintable() else " " for letter in text)
    return re.sub(r"\s+", " ", re.sub(r"([\\`*_<>|\[\]&#~$])", r"\\\1", visible))
