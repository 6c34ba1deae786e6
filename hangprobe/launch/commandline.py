"""A launcher's command line, read: its options and where the application of each section begins. Pure.

What is not understood to the last option is not understood at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hangprobe.launch.optiontables import ATTACHED, GRAMMARS, Grammar
from hangprobe.model import Launcher


@dataclass(frozen=True, slots=True)
class Option:
    """One option, by its name without dashes."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """What stands between two `:`."""

    options: tuple[Option, ...]
    application: int
    """Where its first word stands in the whole command line."""


def read(command: Sequence[str], launcher: Launcher) -> tuple[Section, ...] | None:
    """Return the sections of a launcher's command line; None if it has an unknown option, or no application."""
    grammar = GRAMMARS.get(launcher)
    if grammar is None:
        return None
    sections: list[Section] = []
    at = 1
    while True:
        section = _section(command, at, grammar)
        if section is None:
            return None
        sections.append(section)
        try:
            at = command.index(":", section.application) + 1 if grammar.has_sections else 0
        except ValueError:
            at = 0
        if not at:
            return tuple(sections)


def read_options(words: Sequence[str], launcher: Launcher) -> tuple[Option, ...] | None:
    """Return options that stand alone, as in a variable; None if there is anything else among them."""
    found = _options(words, 0, GRAMMARS[launcher])
    return found[0] if found is not None and found[1] == len(words) else None


def _section(command: Sequence[str], at: int, grammar: Grammar) -> Section | None:
    found = _options(command, at, grammar)
    if found is None:
        return None
    options, at = found
    if at >= len(command) or (grammar.has_sections and command[at] == ":"):
        return None
    return Section(options, at)


def _options(words: Sequence[str], at: int, grammar: Grammar) -> tuple[tuple[Option, ...], int] | None:
    """Return the options from here on and where they end."""
    options: list[Option] = []
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        if words[at] == "--":
            return (tuple(options), at + 1) if grammar.is_getopt else None
        found = _option(words[at], grammar)
        if found is None:
            return None
        *whole, last = found[0]
        at += 1 + found[1]
        values = (*last.values, *words[at - found[1] : at])
        options += [*whole, Option(last.name, values)]
    return tuple(options), at


def _option(word: str, grammar: Grammar) -> tuple[list[Option], int] | None:
    """Return the options of one word, and how many words more the last of them takes."""
    if grammar.is_getopt and not word.startswith("--"):
        return _bundle(word[1:], grammar)
    name, is_attached, value = word.lstrip("-").partition("=")
    count = grammar.long.get(name)
    if count is None or word.startswith("---"):
        return None
    if not is_attached:
        return [Option(name)], count
    # srun has options whose value is left out or attached: --exclusive, --exclusive=user
    return ([Option(name, (value,))], 0) if count == 1 or (count == 0 and grammar.is_getopt) else None


def _bundle(letters: str, grammar: Grammar) -> tuple[list[Option], int] | None:
    """Return the short options of one word: `-kj4`, `-k -j 4`."""
    options: list[Option] = []
    for at, letter in enumerate(letters):
        count = grammar.short.get(letter)
        if count is None:
            return None
        rest = letters[at + 1 :]
        if count == ATTACHED or (count == 1 and rest):
            return [*options, Option(letter, (rest,) if rest else ())], 0
        options.append(Option(letter))
        if count == 1:
            return options, 1
    return options, 0
