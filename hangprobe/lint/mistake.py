"""What is wrong with a configuration, and how it is told.

Two severities, because a comparison refuses what cannot work and must never refuse what can: a *mistake* fails with
the Parsl that was asked, whenever the file is loaded or its workers start; a *warning* depends on the machine, or
on whether the line is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from hangprobe.model import Frozen


class Severity(StrEnum):
    """Whether it refuses."""

    MISTAKE = "mistake"
    WARNING = "warning"


class Mistake(Frozen, frozen=True):
    """One thing that is wrong, at one place."""

    line: int
    """From 1 on."""
    column: int
    """From 1 on, in characters."""
    slug: str
    what: str
    """One clause, in the words of the file."""
    why: str
    """What happens, since which version of Parsl, how it is known."""
    instead: str
    """What to write; empty if there is nothing to offer."""
    severity: Severity = Severity.MISTAKE
    source: str = ""
    """The line as it stands in the file; empty if it has none."""

    @property
    def is_refusing(self) -> bool:
        """Whether the configuration cannot be used as it stands."""
        return self.severity is Severity.MISTAKE

    def told(self, path: str) -> str:
        """Return it as compilers do: place, slug and what; the line with a caret; why, and what to write instead."""
        kind = "" if self.is_refusing else "warning: "
        lines = [f"{path}:{self.line}:{self.column}: {kind}{self.slug}: {self.what}"]
        if self.source.strip():
            shown = self.source.expandtabs(1)
            lines += [f"    {shown}", "    " + " " * (self.column - 1) + "^"]
        lines.append(f"  why: {self.why}")
        return "\n".join([*lines, f"  instead: {self.instead}"] if self.instead else lines)


def in_order(mistakes: Sequence[Mistake]) -> tuple[Mistake, ...]:
    """Return them from the file's top to its bottom, each once."""
    return tuple(sorted(dict.fromkeys(mistakes), key=lambda one: (one.line, one.column, one.slug)))


def render(path: str, mistakes: Sequence[Mistake]) -> str:
    """Return all of them as text, one paragraph each."""
    return "\n\n".join(one.told(path) for one in in_order(mistakes))
