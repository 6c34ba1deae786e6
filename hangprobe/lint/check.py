"""Check a configuration against a subject environment: read the file, ask the environment, apply the rules.

Nothing of the file is run. What is told is what is in it: a module that it imports, or a dictionary that it
takes keywords from, is not looked into.
"""

from __future__ import annotations

import tokenize
from pathlib import Path

from hangprobe.errors.ensembles import ConfigurationRefused, ConfigurationUnreadable
from hangprobe.lint.asking import ask
from hangprobe.lint.mistake import Mistake, in_order
from hangprobe.lint.reading import Reading
from hangprobe.lint.repair import parse
from hangprobe.lint.rules.imports import imported
from hangprobe.lint.rules.ordered import RULES
from hangprobe.lint.rules.syntax import syntax
from hangprobe.lint.subject import SubjectFacts


def require(path: Path, python: str, mpi: str | None = None) -> tuple[Mistake, ...]:
    """Return the warnings for a configuration; raise ConfigurationRefused, with all of them, if it has mistakes."""
    found = check(path, python, mpi)
    if any(one.is_refusing for one in found):
        raise ConfigurationRefused(str(path), found)
    return found


def check(path: Path, python: str, mpi: str | None = None) -> tuple[Mistake, ...]:
    """Return the mistakes and warnings of a configuration, from its top to its bottom.

    `python` is the subject's interpreter, `mpi` whose mpiexec it will find (`mpich`, `openmpi`, `impi`, `pals`) if that
    is known. Raises ConfigurationUnreadable, and SubjectMute.
    """
    text = read(path)
    reading = Reading(text, parse(text))
    return judge(reading, ask(python, wanted(reading), text).but(mpi=mpi))


def lint(path: Path, facts: SubjectFacts) -> tuple[Mistake, ...]:
    """Return the same from facts that are known already. Pure but for reading the file."""
    text = read(path)
    return judge(Reading(text, parse(text)), facts)


def judge(reading: Reading, facts: SubjectFacts) -> tuple[Mistake, ...]:
    """Apply all rules; only the first where the subject reads a syntax that this Python cannot. Pure."""
    rules = (syntax,) if facts.compiles and reading.parsed.slips else RULES
    return in_order([one for rule in rules for one in rule(reading, facts)])


def read(path: Path) -> str:
    """Return a file's text, decoded as Python would. Raises ConfigurationUnreadable."""
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigurationUnreadable(str(path), why) from None


def wanted(reading: Reading) -> tuple[str, ...]:
    """Return the dotted names of Parsl that a file uses: what there is to ask."""
    called = [name for name, _ in reading.calls() if name.split(".")[0] == "parsl"]
    names = {*called, *(name for _, name in imported(reading.tree))}
    parents = {name.rpartition(".")[0] for name in names}
    return tuple(sorted((names | parents) - {""}))
