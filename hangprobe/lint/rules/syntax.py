"""Errors of syntax: the ones that were repaired for the reading, each where it is."""

from __future__ import annotations

from collections.abc import Iterator

from hangprobe.lint.mistake import Mistake, Severity
from hangprobe.lint.reading import Reading
from hangprobe.lint.subject import SubjectFacts


def syntax(reading: Reading, facts: SubjectFacts) -> Iterator[Mistake]:
    """Yield one mistake for each; what the subject's own Python says of the file outweighs what this one says."""
    slips = reading.parsed.slips
    if facts.compiles and slips:
        what = f"this is Python {facts.python}, newer than the one that reads it here"
        why = f"{slips[0].words}: the file was not looked at"
        yield Mistake(slips[0].line, slips[0].column, "not-read", what, why, "", Severity.WARNING)
        return
    for slip in slips:
        why = f'Python stops here with "SyntaxError: {slip.words}", and nothing of the file is run'
        line = reading.line(slip.line)
        yield Mistake(slip.line, slip.column, slip.slug, slip.what, why, slip.instead, source=line)
    if facts.compiles is False and not slips:
        why = f'Python {facts.python}, which is to run it, says "SyntaxError: {facts.syntax_words}"'
        number = facts.syntax_line
        what = f"Python {facts.python} does not know this syntax"
        yield Mistake(number, 1, "syntax-error", what, why, "", source=reading.line(number))
