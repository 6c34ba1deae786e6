"""A result as a Markdown page: what goes into a support ticket."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from hangprobe.explain.catalogue import MECHANISMS, MITIGATIONS
from hangprobe.explain.contextdiff import diff_classes
from hangprobe.ranksets import fold, spoken_briefly
from hangprobe.report.classes import FEW, largest
from hangprobe.report.contexts import context_lines
from hangprobe.report.text import finding_title, headline, reasons, since, some, start_methods, told, unread, would_help
from hangprobe.result import Finding, RankResult, Result


def page(result: Result) -> str:
    """Return the whole page."""
    parts = [f"# {_escape(headline(result))}", _facts(result), "## Ranks", _ranks(result)]
    full, brief = told(result)
    if full:
        parts.append("## Findings")
        parts += [_finding(finding) for finding in full]
    if brief:
        parts.append("### Found as well")
        names = [f"{finding_title(each)}: {spoken_briefly(each.ranks)}" for each in brief]
        parts.append("\n".join(f"- {_escape(each)}" for each in some(names)))
    if result.contexts:
        parts += ["## How the ranks were started", _contexts(result)]
    if result.unreadable:
        parts.append("## Not readable")
        parts.append("\n".join(f"- {_escape(each)}" for each in some(unread(result))))
        parts += [f"What would change that: {_escape(each)}." for each in would_help(result)]
    return "\n\n".join(parts) + "\n"


def _facts(result: Result) -> str:
    watched = result.watched
    rows = [
        ("command", _code(shlex.join(result.command))),
        ("started", result.started_at),
        ("duration", f"{result.duration_s:.1f} s"),
        ("exit status", _exit_status(result)),
        ("children seen in the live tree", start_methods(result)),
        (
            "watched",
            f"{watched.samples} samples, one every {watched.interval_s:g} s; {watched.double_collects} double collects",
        ),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _contexts(result: Result) -> str:
    """Return how the ranks' launch contexts differ, as it was typed."""
    told = context_lines(diff_classes(tuple((each.context, each.ranks) for each in result.contexts)))
    return "\n".join(["```text", *(line.replace("`" * 3, "'" * 3) for line in told), "```"])


def _ranks(result: Result) -> str:
    if len(result.ranks) > FEW:
        return _classes(result.ranks)
    groups: dict[tuple[str, str | None, str], list[RankResult]] = {}
    for rank in result.ranks:
        groups.setdefault((rank.state.value, rank.mechanism, rank.host), []).append(rank)
    rows = ["| ranks | host | state | since | mechanism | pids |", "|---|---|---|---|---|---|"]
    for (state, mechanism, host), members in groups.items():
        pids = ", ".join(str(rank.pid) for rank in members[:8]) + (", ..." if len(members) > 8 else "")
        ranks = fold(rank.rank for rank in members)
        rows.append(f"| {ranks} | {_escape(host)} | {state} | {since(members)} | {mechanism or ''} | {pids} |")
    words = reasons(result.ranks)
    return "\n".join([*rows, *(["", *map(_escape, words)] if words else [])])


def _classes(ranks: Sequence[RankResult]) -> str:
    shown, more = largest(ranks)
    rows = ["| count | state | since | mechanism | ranks | nodes |", "|---|---|---|---|---|---|"]
    for each in shown:
        cells = (str(len(each.numbers)), each.state.value, each.since, each.mechanism or "", each.ranks)
        rows.append(f"| {' | '.join(cells)} | {_escape(each.nodes)} |")
    last = [*([f"And {more} smaller groups."] if more else []), *map(_escape, reasons(ranks))]
    return "\n".join([*rows, *(["", *last] if last else [])])


def _finding(finding: Finding) -> str:
    mechanism = MECHANISMS.get(finding.mechanism)
    parts = [f"### {_escape(finding_title(finding))}", _escape(finding.says) + "."]
    if mechanism is not None:
        parts.append(f"> {mechanism.title}. {mechanism.text}")
        parts += [f"> Reference: {mechanism.reference}"] if mechanism.reference else []
    if finding.evidence:
        parts.append("Evidence:\n\n" + "\n".join(f"- {_escape(line)}" for line in finding.evidence))
    parts.append("Assumptions: " + (_escape("; ".join(finding.assumptions)) or "none") + ".")
    if finding.mitigations:
        known = [MITIGATIONS[slug] for slug in finding.mitigations if slug in MITIGATIONS]
        parts.append("Mitigations:\n\n" + "\n".join(f"- `{m.slug}`: {m.title}. {m.text}" for m in known))
    return "\n\n".join(parts)


def _exit_status(result: Result) -> str:
    if result.exit_status is not None:
        return str(result.exit_status)
    return "none: ended by hangprobe" if result.ended_by else "none: it still runs"


def _code(text: str) -> str:
    """Return a code span that holds `text`, in a fence longer than any run of backticks in it."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=1))
    return f"{fence} {' '.join(text.split())} {fence}".replace("|", "\\|")


def _escape(text: str) -> str:
    """Return `text` such that it is shown and never obeyed."""
    return " ".join(re.sub(r"([\\`*_<>|\[\]&#])", r"\\\1", text).split())
