"""A scaling strategy that the subject's Parsl does not know: any string builds a Config, and loading it fails."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from hangprobe.lint.mistake import Mistake
from hangprobe.lint.reading import Reading
from hangprobe.lint.subject import SubjectFacts
from hangprobe.lint.values import keyword, literal


def strategy(reading: Reading, facts: SubjectFacts) -> Iterator[Mistake]:
    """Yield a mistake for a strategy that is written out and not among those known."""
    if facts.strategies is None:
        return
    for call in reading.calls_of("Config"):
        given = keyword(call, "strategy")
        found = literal(reading, given) if given is not None else None
        if found is None or not (found.value is None or isinstance(found.value, str)):
            continue
        if found.value not in facts.strategies:
            known = [one for one in facts.strategies if one is not None]
            near = get_close_matches(str(found.value), known, n=1) or known
            why = f"Config takes any string, and parsl.load() with {facts.version} ends in KeyError: {found.value!r}"
            instead = "one of " + ", ".join(map(repr, near)) if len(near) > 1 else repr(near[0])
            what = f"there is no strategy {found.value!r}"
            yield reading.mistake(found, "unknown-strategy", what, why, instead, reading.severity(call))
