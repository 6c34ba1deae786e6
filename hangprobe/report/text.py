"""A result as plain lines, for terminals, pipes and logs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from hangprobe.explain.catalogue import BARRIERS
from hangprobe.ranksets import fold, fold_hosts, shortened, spoken_briefly
from hangprobe.report.classes import FEW, largest, span
from hangprobe.result import Finding, RankResult, Result

WIDTH = 110
TOLD_IN_FULL = 4
"""Findings of a large job that are told in full; of the others there is a line each."""
FEW_CONTEXTS = 6
"""Ways in which ranks were started that are named in one line."""
LINES_SHOWN = 10
"""Of what there may be any number of: reasons and findings of a large job, reads that failed."""

VERDICTS = {
    "hang": "HANG",
    "stall": "STALL",
    "ok": "OK",
    "failed": "FAILED",
    "unknown": "UNKNOWN",
}


def headline(result: Result) -> str:
    """Return the verdict in one line."""
    what = result.program.name if result.program else result.command[0]
    if result.program and result.program.variant != "default":
        what += f" --variant {result.program.variant}"
    if result.program and result.program.mitigation:
        what += f" --mitigate {result.program.mitigation}"
    tier = f" ({result.tier})" if result.tier else ""
    return f"{VERDICTS[result.verdict]}{tier}: {what}, {_size(result)}, {_ending(result)}"


def lines(result: Result) -> list[str]:
    """Return the whole result as lines without colour."""
    text = [headline(result), "", *rank_table(result.ranks), *reasons(result.ranks)]
    full, brief = told(result)
    for finding in full:
        text += ["", *_finding(finding)]
    if brief:
        more = [f"  {finding_title(each)}: {spoken_briefly(each.ranks)}" for each in brief]
        text += ["", "found as well:", *some(more)]
    if result.start_methods:
        text += ["", f"children seen in the live tree: {start_methods(result)}"]
    if len(result.contexts) > 1:
        alike = " | ".join(spoken_briefly(each.ranks) for each in result.contexts[:FEW_CONTEXTS])
        rest = " | ..." if len(result.contexts) > FEW_CONTEXTS else ""
        text += ["", f"started alike: {alike}{rest} (report.md: how they differ)"]
    if result.unreadable:
        text += ["", "not readable:", *some([f"  {line}" for line in unread(result)])]
        text += [line for each in would_help(result) for line in _folded("  what would change that: ", each)]
    return text


def told(result: Result) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Return the findings to tell in full, and those to name only: of a large job a reader wants the first ones."""
    shown = TOLD_IN_FULL if len(result.ranks) > FEW else len(result.findings)
    return result.findings[:shown], result.findings[shown:]


def some(items: list[str]) -> list[str]:
    """Return the first of many lines, and how many more there are."""
    more = len(items) - LINES_SHOWN
    return items if more <= 1 else [*items[:LINES_SHOWN], f"  and {more} more"]


def unread(result: Result) -> list[str]:
    """Return what could not be read and why, a line each; of a long list of nodes only the first."""
    return [f"{shortened(each.what, WIDTH)}: {each.why}" for each in result.unreadable]


def would_help(result: Result) -> list[str]:
    """Return what would let hangprobe read what it could not, a sentence each."""
    barriers = dict.fromkeys(each.barrier for each in result.unreadable if each.barrier is not None)
    return [BARRIERS[barrier] for barrier in barriers]


def start_methods(result: Result) -> str:
    """Return how the ranks' children were started, in words."""
    parts = [f"{method} (ranks {shortened(ranks)})" for method, ranks in result.start_methods.items()]
    return ", ".join(parts) or "none lived long enough to be seen"


def rank_table(ranks: Iterable[RankResult]) -> list[str]:
    """Return one line for each group of ranks that are alike, longest waiting first seen; with hosts if on several."""
    ranks = tuple(ranks)
    if len(ranks) > FEW:
        return _class_table(ranks)
    has_hosts = len({rank.host for rank in ranks}) > 1
    groups: dict[tuple[str, str | None], list[RankResult]] = {}
    for rank in ranks:
        groups.setdefault((rank.state.value, rank.mechanism), []).append(rank)
    rows = [("ranks", "state", "since", "mechanism", *(["hosts"] if has_hosts else []), "pids")]
    for (state, mechanism), members in groups.items():
        pids = ", ".join(str(rank.pid) for rank in members[:4]) + (", ..." if len(members) > 4 else "")
        hosts = [fold_hosts(rank.host for rank in members)] if has_hosts else []
        rows.append((fold(rank.rank for rank in members), state, since(members), mechanism or "", *hosts, pids))
    return _columns(rows) if len(rows) > 1 else []


def _class_table(ranks: Iterable[RankResult]) -> list[str]:
    """Return one line for each of the largest groups of ranks that are alike."""
    shown, more = largest(ranks)
    rows = [("count", "state", "since", "mechanism", "ranks", "nodes")]
    for each in shown:
        size, state = str(len(each.numbers)), each.state.value
        rows.append((size, state, each.since, each.mechanism or "", each.ranks, each.nodes))
    return [*_columns(rows), *([f"  and {more} smaller groups"] if more else [])]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


def reasons(ranks: Iterable[RankResult]) -> list[str]:
    """Return in words why ranks are blocked or stalled, one line for those that are alike."""
    groups: dict[str, list[int]] = {}
    for rank in ranks:
        if rank.why and rank.mechanism is None:
            groups.setdefault(rank.why, []).append(rank.rank)
    is_large = sum(map(len, groups.values())) > FEW
    shown = sorted(groups, key=lambda why: -len(groups[why]))[:LINES_SHOWN] if is_large else list(groups)
    text = [line for why in shown for line in _folded("  ", f"{spoken_briefly(fold(groups[why]))}: {why}")]
    return [*text, *([f"  and {len(groups) - len(shown)} more reasons"] if len(groups) > len(shown) else [])]


def since(ranks: Iterable[RankResult]) -> str:
    """Return for how long some ranks have been waiting."""
    return span(rank.since_s for rank in ranks)


def finding_title(finding: Finding) -> str:
    """Return a finding's slug with its tier and details in parentheses."""
    words = [str(finding.tier)]
    words += ["cause likely"] if finding.likely else []
    words += [f"{name}: {value}" for name, value in finding.detail.items()]
    words += ["recovered"] if finding.recovered else []
    return f"{finding.mechanism} ({', '.join(words)})"


def _finding(finding: Finding) -> list[str]:
    text = [finding_title(finding), *_folded("  ", finding.says)]
    if finding.evidence:
        text += ["  evidence:", *(line for each in finding.evidence for line in _folded("    - ", each))]
    if finding.assumptions:
        text += ["  assumptions:", *(line for each in finding.assumptions for line in _folded("    - ", each))]
    else:
        text.append("  assumptions: none")
    if finding.mitigations:
        text.append(f"  mitigations: {', '.join(finding.mitigations)}")
    return text


def _folded(lead: str, text: str) -> list[str]:
    """Return a sentence in lines that read well on a terminal and in a ticket."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _size(result: Result) -> str:
    count = len(result.ranks)
    if result.size is not None and result.size > count:
        return f"{count} of {result.size} ranks by {result.launcher}"
    where = f" by {result.launcher}" if result.launcher.value != "none" else ""
    return f"{count} rank{'s' if count != 1 else ''}{where}"


def _ending(result: Result) -> str:
    if result.detected_after_s is not None and result.ended_by is None:
        return f"its last thread blocked {result.detected_after_s:.1f} s ago"
    if result.detected_after_s is not None:
        return f"reported {result.detected_after_s:.2f} s after the last thread blocked"
    if result.ended_by == "itself":
        return f"ended by itself with status {result.exit_status} after {result.duration_s:.1f} s"
    if result.ended_by == "user":
        return f"ended by the user after {result.duration_s:.1f} s"
    return f"ended by hangprobe after {result.duration_s:.1f} s" if result.ended_by else "still running"
