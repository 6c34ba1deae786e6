"""All rules, in the order in which their mistakes come to pass: loading, building the configuration, running it.

A rule is a function. It yields a mistake only for what surely fails with the facts at hand, a warning for what may, and
nothing where a fact is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hangprobe.lint.mistake import Mistake
from hangprobe.lint.reading import Reading
from hangprobe.lint.rules.addresses import address
from hangprobe.lint.rules.affinity import affinity
from hangprobe.lint.rules.imports import imports
from hangprobe.lint.rules.keywords import keywords
from hangprobe.lint.rules.launchers import launchers
from hangprobe.lint.rules.names import names
from hangprobe.lint.rules.strategy import strategy
from hangprobe.lint.rules.syntax import syntax
from hangprobe.lint.subject import SubjectFacts

Rule = Callable[[Reading, SubjectFacts], Iterator[Mistake]]
RULES: tuple[Rule, ...] = (syntax, imports, names, keywords, address, strategy, affinity, launchers)
