"""A result as plain lines, for terminals, pipes and logs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from hangprobe.explain.catalogue import BARRIERS
from hangprobe.ranksets import fold, fold_hosts, spoken
from hangprobe.result import Finding, RankResult, Result

WIDTH = 110

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
    for finding in result.findings:
        text += ["", *_finding(finding)]
    if result.start_methods:
        text += ["", f"children seen in the live tree: {start_methods(result)}"]
    if result.unreadable:
        text += ["", "not readable:", *(f"  {each.what}: {each.why}" for each in result.unreadable)]
        text += [line for each in would_help(result) for line in _folded("  what would change that: ", each)]
    return text


def would_help(result: Result) -> list[str]:
    """Return what would let hangprobe read what it could not, a sentence each."""
    barriers = dict.fromkeys(each.barrier for each in result.unreadable if each.barrier is not None)
    return [BARRIERS[barrier] for barrier in barriers]


def start_methods(result: Result) -> str:
    """Return how the ranks' children were started, in words."""
    parts = [f"{method} (ranks {ranks})" for method, ranks in result.start_methods.items()]
    return ", ".join(parts) or "none lived long enough to be seen"


def rank_table(ranks: Iterable[RankResult]) -> list[str]:
    """Return one line for each group of ranks that are alike, longest waiting first seen; with hosts if on several."""
    ranks = tuple(ranks)
    has_hosts = len({rank.host for rank in ranks}) > 1
    groups: dict[tuple[str, str | None], list[RankResult]] = {}
    for rank in ranks:
        groups.setdefault((rank.state.value, rank.mechanism), []).append(rank)
    rows = [("ranks", "state", "since", "mechanism", *(["hosts"] if has_hosts else []), "pids")]
    for (state, mechanism), members in groups.items():
        pids = ", ".join(str(rank.pid) for rank in members[:4]) + (", ..." if len(members) > 4 else "")
        hosts = [fold_hosts(rank.host for rank in members)] if has_hosts else []
        rows.append((fold(rank.rank for rank in members), state, since(members), mechanism or "", *hosts, pids))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return ["  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
            for row in rows] if len(rows) > 1 else []  # fmt: skip


def reasons(ranks: Iterable[RankResult]) -> list[str]:
    """Return in words why ranks are blocked or stalled, one line for those that are alike."""
    groups: dict[str, list[int]] = {}
    for rank in ranks:
        if rank.why and rank.mechanism is None:
            groups.setdefault(rank.why, []).append(rank.rank)
    return [line for why, members in groups.items() for line in _folded("  ", f"{spoken(members)}: {why}")]


def since(ranks: Iterable[RankResult]) -> str:
    """Return for how long some ranks have been waiting."""
    times = sorted(rank.since_s for rank in ranks if rank.since_s is not None)
    if not times:
        return ""
    return f"{times[0]:.1f} s" if times[-1] - times[0] < 0.1 else f"{times[0]:.1f}-{times[-1]:.1f} s"


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
