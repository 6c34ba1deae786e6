"""Differences of launch contexts as plain lines, for terminals, logs and reports."""

from __future__ import annotations

import textwrap

from hangprobe.explain.contextdiff import Alike, Bearing, ContextDiff, Direction, Explanation, LauncherDiff
from hangprobe.ranksets import spoken, unfold

WIDTH = 110
LONGEST = 400
"""Characters of a value that are shown: a PATH, or the names of all variables."""


def context_lines(diff: ContextDiff) -> list[str]:
    """Return how the ranks of a job were started: what tells them apart first, and what follows from that."""
    text = [_headline(diff)]
    for aspect in diff.differences:
        text += [f"  {aspect.title}", *_groups(aspect.groups)]
    telling = [each for each in diff.bearings if each.is_difference]
    general = [each for each in diff.bearings if not each.is_difference]
    text += ["", "what that can explain:", *_bearings(telling)] if telling else []
    text += ["", "what holds of every rank and can matter:", *_bearings(general)] if general else []
    text += ["", "not readable:", *_groups(diff.unreadable)] if diff.unreadable else []
    return text


def launcher_lines(diff: LauncherDiff) -> list[str]:
    """Return how two launchers start the same ranks."""
    first, second = diff.names
    if not diff.changes:
        return [f"{first} and {second} start {_ranks(diff.ranks)} alike"]
    text = [f"{_ranks(diff.ranks)} under {first} and under {second} differ in"]
    for change in diff.changes:
        text += [f"  {change.title}"]
        text += [f"    {first}:", *_groups(change.first, "      "), f"    {second}:", *_groups(change.second, "      ")]
    text += ["", "what that can explain:"] if diff.explanations else []
    for each in diff.explanations:
        text += _wrapped(f"{each.mechanism} {_where(each, diff.names)}: {each.says}", "  ")
    return text


def _headline(diff: ContextDiff) -> str:
    if len(diff.alike) < 2:
        return f"{_ranks(diff.ranks)}: started alike" if diff.ranks else "no rank was seen"
    return f"started alike: {' | '.join(map(_ranks, diff.alike))}"


def _where(found: Explanation, names: tuple[str, str]) -> str:
    first, second = f"{_ranks(found.first)} under {names[0]}", f"{_ranks(found.second)} under {names[1]}"
    if found.direction is Direction.BOTH:
        return f"({first}, {second})"
    return f"({first} only)" if found.direction is Direction.FIRST else f"({second} only)"


def _groups(groups: tuple[Alike, ...], indent: str = "    ") -> list[str]:
    return [line for each in groups for line in _wrapped(f"{_ranks(each.ranks)}: {_short(each.value)}", indent)]


def _ranks(ranks: str) -> str:
    return spoken(unfold(ranks))


def _short(value: str) -> str:
    return value if len(value) <= LONGEST else value[:LONGEST] + " ..."


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False)


def _bearings(bearings: list[Bearing]) -> list[str]:
    sentences = (f"{each.mechanism} ({_ranks(each.ranks)}): {each.says}" for each in bearings)
    return [line for sentence in sentences for line in _wrapped(sentence, "  ")]
