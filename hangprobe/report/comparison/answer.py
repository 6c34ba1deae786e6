"""The first sentence of a report, and what must be known to judge it. Written from the figures only. Pure.

Names of workloads stand in backticks; `html` and `markdown` turn them into code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hangprobe.ensemble.records import Cell
from hangprobe.ensemble.sureness import base_launcher
from hangprobe.report.comparison.cells import told
from hangprobe.report.comparison.names import count, launcher, listed, p_value, plain, points, sentence_case, subject
from hangprobe.report.comparison.values import Answer, Block, CellResult, Effect, Pair

TOLD = 3
"""Comparisons of one kind whose figures stand in the first sentence; of more of them the names do."""


def answer(
    cells: Sequence[CellResult], pairs: Sequence[Pair], blocks: Sequence[Block], notes: tuple[str, ...]
) -> Answer:
    """Return what the campaign says of its question; `notes` stand below it."""
    asked = [each for each in cells if each.control is None and each.rate.started]
    if not blocks:
        return Answer("No trial has been run yet.", notes, False)
    if not any(each.is_evidence for each in blocks):
        why = next(each.why for each in blocks if each.why)
        text = f"This campaign is no evidence: in none of its {count(len(blocks), 'block')} did the controls do what "
        return Answer(f"{text}they must ({plain(why or '')}).", notes, False)
    if not pairs:
        return Answer(_alone(cells), notes, bool(asked))
    words = _Words(cells)
    others = list(dict.fromkeys(each.second.launcher for each in pairs))
    groups = {name: [each for each in pairs if each.second.launcher == name] for name in others}
    order = sorted(others, key=lambda name: _strength(groups[name], words))
    sentences = [_sentence(groups[name], words) for name in order]
    has_evidence = any(each.effect is not Effect.NO_EVIDENCE for each in pairs)
    return Answer(sentences[0], (*sentences[1:], *notes), has_evidence)


class _Words:
    """Cells by name, with their counts."""

    def __init__(self, cells: Sequence[CellResult]) -> None:
        self.results = {each.cell: each for each in cells}

    def name(self, cell: Cell) -> str:
        return f"`{plain(subject(cell, self.results))}`"

    def is_control(self, pair: Pair) -> bool:
        return self.results[pair.first].control is not None

    def change(self, pair: Pair) -> str:
        """Return the figures of one comparison."""
        first, second = self.results[pair.first].rate, self.results[pair.second].rate
        text = f"{first.hung} of {first.started} hung → {second.hung} of {second.started}"
        if pair.difference is None or pair.low is None or pair.high is None:
            return text
        text += f", difference {points(pair.difference)} points [{points(pair.low)}, {points(pair.high)}]"
        return f"{text}, {p_value(pair.adjusted_p)}" if pair.adjusted_p is not None else text

    def counts(self, pair: Pair) -> str:
        first, second = self.results[pair.first].rate, self.results[pair.second].rate
        return f"{first.hung} of {first.started} → {second.hung} of {second.started}"


def _strength(group: Sequence[Pair], words: _Words) -> tuple[int, int]:
    """Return a key by which the launcher of which most can be said comes first."""
    effects = [each.effect for each in group if not words.is_control(each)]
    order = (Effect.CURES, Effect.RARER, Effect.BRINGS, Effect.NOT_CURED, Effect.UNDECIDED, Effect.NOT_REPRODUCED)
    best = next((index for index, each in enumerate(order) if each in effects), len(order))
    return best, -effects.count(order[best]) if best < len(order) else 0


def _sentence(group: Sequence[Pair], words: _Words) -> str:
    """Return what replacing one launcher by another does."""
    by_effect = {effect: [each for each in group if each.effect is effect] for effect in Effect}
    change = f"replacing {launcher(group[0].first.launcher)} by {launcher(group[0].second.launcher)}"
    asked = [each for each in group if not words.is_control(each)] or list(group)
    if all(each.effect is Effect.NO_EVIDENCE for each in asked):
        return f"Nothing can be said of {change}: {plain(asked[0].why or '')}."
    if all(each.effect in {Effect.NOT_REPRODUCED, Effect.NO_EVIDENCE} for each in asked):
        return _not_reproduced(asked, words)
    told = [each for each in asked if each.effect in _VERBS]
    open_ = by_effect[Effect.UNDECIDED]
    if not told and open_:
        text = f"Whether {change} cures the hang of {_told(open_, words)} cannot be told: {_why(open_)}"
        rest = _told(by_effect[Effect.NOT_CURED], words)
        return f"{text}; it does not cure {rest}." if rest else f"{text}."
    parts = [f"{verb} {_told(by_effect[effect], words)}" for effect, verb in _VERBS.items() if by_effect[effect]]
    text = f"{sentence_case(change)} {'; it '.join(parts)}"
    return f"{text}; of {_told(open_, words)} it cannot be told." if open_ else f"{text}."


_VERBS = {
    Effect.CURES: "cures the hang of",
    Effect.RARER: "makes rarer, and does not cure, the hang of",
    Effect.BRINGS: "brings a hang of",
    Effect.NOT_CURED: "does not cure",
}


def _told(pairs: Sequence[Pair], words: _Words) -> str:
    """Return names and figures of comparisons with the same effect: once, where they are all the same."""
    is_brief = len(pairs) > TOLD or all(each.effect is Effect.NOT_CURED for each in pairs)
    if not is_brief:
        return listed(f"{words.name(each.first)} ({words.change(each)})" for each in pairs)
    counts = [words.counts(each) for each in pairs]
    if len(set(counts)) > 1 and len(pairs) > TOLD:
        return listed(words.name(each.first) for each in pairs)
    if len(set(counts)) > 1:
        return listed(f"{words.name(each.first)} ({count})" for each, count in zip(pairs, counts, strict=True))
    figures = f" ({counts[0]}{' each' if len(pairs) > 1 else ''})" if counts else ""
    return listed(words.name(each.first) for each in pairs) + figures


def _why(pairs: Sequence[Pair]) -> str:
    return listed(dict.fromkeys(plain(each.why or "too few trials") for each in pairs))


def _not_reproduced(pairs: Sequence[Pair], words: _Words) -> str:
    pairs = [each for each in pairs if each.effect is Effect.NOT_REPRODUCED]
    first = [words.results[each.first] for each in pairs]
    second = [words.results[each.second] for each in dict.fromkeys(pairs)]
    names = listed(words.name(each.first) for each in pairs)
    fewest = min(first, key=lambda each: each.rate.started)
    return (
        f"No hang of {names} was reproduced here: {_sum(first)} under {launcher(pairs[0].first.launcher)} and "
        f"{_sum(second)} under {launcher(pairs[0].second.launcher)}; {fewest.says}."
    )


def _sum(results: Iterable[CellResult]) -> str:
    rates = [each.rate for each in results]
    return f"{sum(each.hung for each in rates)} of {count(sum(each.started for each in rates), 'trial')} hung"


def _alone(cells: Sequence[CellResult]) -> str:
    """Return what is seen under the only launcher."""
    own = [each for each in cells if each.control is None] or list(cells)
    name = launcher(base_launcher(each.cell for each in cells) or "")
    every = [each.cell for each in cells]
    hung = listed(f"`{plain(subject(each.cell, every))}` {told(each)}" for each in own)
    return f"Under {name}: {hung}; no other launcher was compared."
