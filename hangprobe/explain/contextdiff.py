"""How the launch contexts of ranks, or of the same ranks under two launchers, differ, and what that can explain. Pure.

Works on classes of ranks that are alike (`context.classes`), so a million ranks cost as much as their few classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from hangprobe.context.classes import Classes, fold_contexts
from hangprobe.context.values import LaunchContext
from hangprobe.explain.contextrules import RULES, Rule
from hangprobe.explain.contextwords import ATTRIBUTES, Attribute, Items
from hangprobe.model import Frozen, Unreadable
from hangprobe.ranksets import fold, unfold

NOT_KNOWN = "not known"
NOTHING = "-"


class Alike(Frozen, frozen=True):
    """Ranks that have the same."""

    ranks: str
    """As ranges."""
    value: str
    """In words; where ranks differ in a set, without what all of them have."""


class Aspect(Frozen, frozen=True):
    """One attribute over all ranks."""

    attribute: str
    """A slug of `contextwords.ATTRIBUTES`."""
    title: str
    groups: tuple[Alike, ...]
    """One where all ranks are alike; in order of their first rank."""


class Bearing(Frozen, frozen=True):
    """What in the contexts can make a mechanism possible."""

    mechanism: str
    attribute: str
    ranks: str
    """Those of which it holds."""
    is_difference: bool
    """It does not hold of all ranks of which the attribute is known."""
    says: str


class ContextDiff(Frozen, frozen=True):
    """How the contexts of a job's ranks differ."""

    ranks: str
    alike: tuple[str, ...]
    """The ranks that were started alike: `("0", "1-5")`."""
    differences: tuple[Aspect, ...]
    """Most relevant first."""
    common: tuple[Aspect, ...]
    bearings: tuple[Bearing, ...]
    """Those that tell ranks apart first, then in order of the rules."""
    unreadable: tuple[Alike, ...] = ()
    """What could not be read, and why."""


class Direction(StrEnum):
    """Under which of two launchers something holds."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


class Change(Frozen, frozen=True):
    """One attribute in which two launchers differ."""

    attribute: str
    title: str
    first: tuple[Alike, ...]
    second: tuple[Alike, ...]


class Explanation(Frozen, frozen=True):
    """A mechanism that the difference of two launchers can explain."""

    mechanism: str
    attribute: str
    direction: Direction
    first: str
    """The ranks of which it holds under the first launcher."""
    second: str
    says: str


class LauncherDiff(Frozen, frozen=True):
    """How the contexts of the same ranks differ under two launchers."""

    names: tuple[str, str]
    ranks: str
    """Those that were compared: the ranks of both."""
    changes: tuple[Change, ...]
    """Most relevant first."""
    explanations: tuple[Explanation, ...]
    """In order of the rules; what holds of the same ranks under both explains nothing and is left out."""
    common: tuple[str, ...]
    """The attributes in which they do not differ."""


def diff(contexts: Mapping[int, LaunchContext]) -> ContextDiff:
    """Return how the contexts of ranks differ."""
    return diff_classes(fold_contexts(contexts))


def diff_classes(classes: Classes) -> ContextDiff:
    """Return how the contexts of folded ranks differ; `classes` are in order of their first rank."""
    sets = _Sets(classes)
    spread = [(attribute, sets.spread(attribute)) for attribute in ATTRIBUTES]
    aspects = [Aspect(each.slug, each.title, _groups(each, groups, [groups])) for each, groups in spread if groups]
    return ContextDiff(
        sets.where(lambda context: True),
        _alike(sets),
        tuple(each for each in aspects if len(each.groups) > 1),
        tuple(each for each in aspects if len(each.groups) == 1),
        _bearings(sets),
        _unreadable(sets),
    )


def diff_two(
    first: Mapping[int, LaunchContext], second: Mapping[int, LaunchContext], names: tuple[str, str]
) -> LauncherDiff:
    """Return how the contexts of the ranks that both launchers started differ; `names` are those of the launchers."""
    ranks = first.keys() & second.keys()
    a, b = (_Sets(fold_contexts({rank: contexts[rank] for rank in ranks})) for contexts in (first, second))
    changes: list[Change] = []
    common: list[str] = []
    for each in ATTRIBUTES:
        one, other = a.spread(each), b.spread(each)
        if one == other:
            common.append(each.slug)
        else:
            both = [one, other]
            changes.append(Change(each.slug, each.title, _groups(each, one, both), _groups(each, other, both)))
    found = (_explanation(rule, a, b) for rule in RULES)
    return LauncherDiff(names, fold(ranks), tuple(changes), tuple(e for e in found if e), tuple(common))


Spread = dict[Items | None, str]
"""The folded ranks that have the same items, in order of their first rank."""


@dataclass(slots=True)
class _Sets:
    """Unions of classes as folded ranks: each union is folded once, for most attributes have the same few."""

    classes: Classes
    _texts: dict[tuple[int, ...], str] = field(default_factory=dict)

    def spread(self, attribute: Attribute) -> Spread:
        return self.by(attribute.items)

    def by(self, key: Callable[[LaunchContext], Items | None]) -> Spread:
        found: dict[Items | None, list[int]] = {}
        for index, (context, _) in enumerate(self.classes):
            found.setdefault(key(context), []).append(index)
        return {items: self._text(tuple(indices)) for items, indices in found.items()}

    def where(self, holds: Callable[[LaunchContext], bool]) -> str:
        return self._text(tuple(index for index, (context, _) in enumerate(self.classes) if holds(context)))

    def _text(self, indices: tuple[int, ...]) -> str:
        if indices not in self._texts:
            texts = [self.classes[index][1] for index in indices]
            self._texts[indices] = (
                texts[0] if len(texts) == 1 else fold(rank for each in texts for rank in unfold(each))
            )
        return self._texts[indices]


def _groups(attribute: Attribute, spread: Spread, all_spreads: Sequence[Spread]) -> tuple[Alike, ...]:
    """Return the groups of one attribute; what all spreads have in common is not repeated if it is a set."""
    known = {items for each in all_spreads for items in each if items is not None}
    shared = set.intersection(*map(set, known)) if attribute.is_set and len(known) > 1 else set()
    return tuple(Alike(ranks, _said(items, shared)) for items, ranks in spread.items())


def _said(items: Items | None, shared: Iterable[str]) -> str:
    return NOT_KNOWN if items is None else ", ".join(each for each in items if each not in shared) or NOTHING


def _alike(sets: _Sets) -> tuple[str, ...]:
    dividing = [attribute for attribute in ATTRIBUTES if attribute.divides]
    return tuple(sets.by(lambda context: tuple(repr(each.items(context)) for each in dividing)).values())


def _bearings(sets: _Sets) -> tuple[Bearing, ...]:
    items = {attribute.slug: attribute.items for attribute in ATTRIBUTES}
    found: list[Bearing] = []
    for rule in RULES:
        holding = {context for context, _ in sets.classes if rule.holds(context)}
        if holding:
            known = {context for context, _ in sets.classes if items[rule.attribute](context) is not None}
            ranks = sets.where(rule.holds)
            found.append(Bearing(rule.mechanism, rule.attribute, ranks, holding < known, rule.says))
    return tuple(sorted(found, key=lambda each: not each.is_difference))


def _explanation(rule: Rule, first: _Sets, second: _Sets) -> Explanation | None:
    one, other = first.where(rule.holds), second.where(rule.holds)
    if one == other:
        return None
    direction = Direction.FIRST if not other else Direction.SECOND if not one else Direction.BOTH
    return Explanation(rule.mechanism, rule.attribute, direction, one, other, rule.says)


def _unreadable(sets: _Sets) -> tuple[Alike, ...]:
    failures = dict.fromkeys(each for context, _ in sets.classes for each in context.unreadable)
    return tuple(Alike(_failed(sets, each), f"{each.what}: {each.why}") for each in failures)


def _failed(sets: _Sets, failure: Unreadable) -> str:
    return sets.where(lambda context: failure in context.unreadable)
