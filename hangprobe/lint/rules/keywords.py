"""Keywords that a class or function of the subject's Parsl does not take, in calls by its own name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import get_close_matches

from hangprobe.lint.history import change_of
from hangprobe.lint.mistake import Mistake
from hangprobe.lint.reading import Reading
from hangprobe.lint.subject import SubjectFacts


def keywords(reading: Reading, facts: SubjectFacts) -> Iterator[Mistake]:
    """Yield one mistake for each keyword; the subject's own signature decides, history only gives the words."""
    for name, call in reading.calls():
        known = facts.named(name)
        if known is None or known.keywords is None:
            continue
        owner = name.rpartition(".")[2]
        for given in call.keywords:
            if given.arg is not None and given.arg not in known.keywords:
                yield _refused(reading, facts, call, given, owner, known.keywords)


def _refused(
    reading: Reading,
    facts: SubjectFacts,
    call: ast.Call,
    given: ast.keyword,
    owner: str,
    accepted: tuple[str, ...],
) -> Mistake:
    keyword = str(given.arg)
    change = change_of(owner, keyword, accepted)
    fails = f"{owner}() of {facts.version} ends in a TypeError"
    if change is not None:
        why, instead = f"{change.why}: {fails}", change.instead
    else:
        near = get_close_matches(keyword, accepted, n=2, cutoff=0.6)
        why, instead = f"it is not in its signature: {fails}", f"did you mean {' or '.join(near)}?" if near else ""
    what = f"{owner} takes no '{keyword}'"
    # the keyword is as certain as its call: by itself it is no node that runs
    return reading.mistake(given, "unknown-keyword", what, why, instead, reading.severity(call))
