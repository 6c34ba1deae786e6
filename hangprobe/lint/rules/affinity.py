"""A `cpu_affinity` that managers do not take: any string builds an executor, and every manager then ends."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from hangprobe.lint.mistake import Mistake, Severity
from hangprobe.lint.reading import Reading
from hangprobe.lint.subject import SubjectFacts
from hangprobe.lint.values import has_unknown_keywords, keyword, text

LIST = re.compile(r"list[^:]*(:\d+(-\d+)?(,\d+(-\d+)?)*)+")
"""`list:0-3:4-7`: what comes before the first colon is not looked at, then processors for each worker."""
PLAIN = re.compile(r"[A-Za-z0-9:,._+-]+")
"""What reaches the manager as it is; anything else is for the shell of the batch job to say."""


def affinity(reading: Reading, facts: SubjectFacts) -> Iterator[Mistake]:
    """Yield a mistake for an affinity that is written out and that the manager refuses."""
    for call in reading.calls_of("HighThroughputExecutor"):
        given = keyword(call, "cpu_affinity")
        found = text(reading, given) if given is not None else None
        if found is None or facts.affinities is None or not PLAIN.fullmatch(found[0]):
            continue
        if why := _refusal(found[0], facts):
            instead = "one of " + ", ".join(map(repr, facts.affinities))
            instead += ", or 'list:0-3:4-7' with the processors of each worker" if facts.is_affinity_list_taken else ""
            what = f"cpu_affinity '{found[0]}' is none that a manager takes"
            yield reading.mistake(found[1], "bad-affinity", what, why, instead, _severity(reading, call))


def _refusal(value: str, facts: SubjectFacts) -> str:
    """Return why a manager or its workers end; empty if they do not."""
    word = value.lower() if facts.is_affinity_case_ignored else value
    if word in (facts.affinities or ()):
        return ""
    if not (facts.is_affinity_list_taken and word.startswith("list")):
        return (
            f"the executor of {facts.version} takes any string, and each manager ends at once with exit status 2 "
            "(invalid --cpu-affinity)"
        )
    return "" if LIST.fullmatch(word) else "each worker ends with a ValueError: the list is not processors by worker"


def _severity(reading: Reading, call: ast.Call) -> Severity:
    """Return a warning where the manager's command is the user's own, and may not pass it on."""
    is_own_command = keyword(call, "launch_cmd") is not None or has_unknown_keywords(call)
    return Severity.WARNING if is_own_command else reading.severity(call)
