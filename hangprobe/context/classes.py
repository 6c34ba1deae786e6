"""The launch contexts of many ranks folded to the few that differ, on a node and over all nodes. Pure, and linear.

What is a rank's own only by its number does not keep two ranks apart: `rank-3.out` of rank 3 and `rank-7.out` of rank 7
are `rank-%r.out`, but only if at least two ranks have it so. And the numbers of inherited descriptors become ranges.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from hangprobe.context.values import Channel, Descriptors, LaunchContext
from hangprobe.ranksets import fold, unfold

Classes = tuple[tuple[LaunchContext, str], ...]
"""Contexts that differ, each with its ranks, folded; in order of their first rank."""
NUMBER = "%r"
_DIGITS = re.compile(r"\d+", re.ASCII)
_CHANNELS = ("stdin", "stdin_behind", "stdout", "stderr")
_FOLDERS = ("PWD", "TMPDIR")


def fold_contexts(contexts: Mapping[int, LaunchContext]) -> Classes:
    """Return the contexts that differ, each with the ranks that have it."""
    return _folded((context, (rank,)) for rank, context in contexts.items())


def merge_classes(nodes: Iterable[Classes]) -> Classes:
    """Return the classes of many nodes as those of the whole job."""
    return _folded((context, unfold(ranks)) for classes in nodes for context, ranks in classes)


def _folded(found: Iterable[tuple[LaunchContext, Iterable[int]]]) -> Classes:
    ranks: dict[LaunchContext, set[int]] = {}
    for context, members in found:
        ranks.setdefault(context, set()).update(members)
    patterns = _patterns(ranks)
    classes: dict[LaunchContext, tuple[LaunchContext, set[int]]] = {}
    for context, own in ranks.items():
        named = _renamed(context, next(iter(own)), patterns) if len(own) == 1 else context
        key = _uncounted(named)
        before = classes.get(key)
        classes[key] = (named, own) if before is None else (_united(before[0], named), before[1] | own)
    folded = [(min(own), context, fold(own)) for context, own in classes.values()]
    return tuple((context, text) for _, context, text in sorted(folded, key=lambda each: each[0]))


def _patterns(ranks: Mapping[LaunchContext, set[int]]) -> frozenset[str]:
    """Return the names with `%r` that at least two ranks share."""
    once: set[str] = set()
    shared: set[str] = set()
    for context, own in ranks.items():
        found = {p for text in _texts(context) for p in _candidates(text, own) if NUMBER in p}
        shared |= found if len(own) > 1 else found & once
        once |= found
    return frozenset(shared)


def _texts(context: LaunchContext) -> list[str]:
    channels = (getattr(context, name) for name in _CHANNELS)
    paths = [each.path for each in channels if each is not None and each.path]
    folders = [context.folder] if context.folder else []
    values = context.variables.values if context.variables is not None else ()
    return [*paths, *folders, *(value for name, value in values if name in _FOLDERS)]


def _candidates(text: str, ranks: set[int]) -> tuple[str, ...]:
    """Return the names that a rank's own may stand for: with its number replaced wherever it is, and at its end only.

    The second one because a folder may be called `run1` for another reason. Leading zeros are allowed.
    """
    if NUMBER in text or len(ranks) > 1:
        return (text,)
    number = str(next(iter(ranks)))
    spans = [found.span() for found in _DIGITS.finditer(text) if (found[0].lstrip("0") or "0") == number]
    return _replaced(text, spans), _replaced(text, spans[-1:])


def _replaced(text: str, spans: list[tuple[int, int]]) -> str:
    for start, end in reversed(spans):
        text = text[:start] + NUMBER + text[end:]
    return text


def _renamed(context: LaunchContext, rank: int, patterns: frozenset[str]) -> LaunchContext:
    def name(text: str) -> str:
        return next((each for each in _candidates(text, {rank}) if each in patterns), text)

    if not patterns:
        return context
    changed: dict[str, object] = {}
    for field in _CHANNELS:
        channel: Channel | None = getattr(context, field)
        if channel is not None and channel.path:
            changed[field] = channel.but(path=name(channel.path))
    if context.folder:
        changed["folder"] = name(context.folder)
    if context.variables is not None:
        values = ((key, name(value) if key in _FOLDERS else value) for key, value in context.variables.values)
        changed["variables"] = context.variables.but(values=tuple(values))
    return context.but(**changed)


def _uncounted(context: LaunchContext) -> LaunchContext:
    return context if context.descriptors is None else context.but(descriptors=_numbers(context.descriptors, (), ()))


def _united(first: LaunchContext, second: LaunchContext) -> LaunchContext:
    """Return one of two contexts that differ in numbers of descriptors only, with the range of these."""
    a, b = first.descriptors, second.descriptors
    if a is None or b is None:
        return first
    least = tuple(map(min, a.least, b.least))
    return first.but(descriptors=_numbers(a, least, tuple(map(max, a.most, b.most))))


def _numbers(descriptors: Descriptors, least: tuple[int, ...], most: tuple[int, ...]) -> Descriptors:
    return descriptors.but(least=least, most=most)
