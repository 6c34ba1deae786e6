"""Names that nothing in the file defines and Python does not know: mostly a string without its quotes."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from difflib import get_close_matches

from hangprobe.lint.mistake import Mistake
from hangprobe.lint.reading import Reading
from hangprobe.lint.subject import SubjectFacts

ALWAYS = {
    "__name__",
    "__file__",
    "__doc__",
    "__spec__",
    "__loader__",
    "__package__",
    "__cached__",
    "__annotations__",
} | {
    "__class__",  # in a method
    "__module__",  # in a class
    "__qualname__",
    "__conditional_annotations__",
}


def names(reading: Reading, facts: SubjectFacts) -> Iterator[Mistake]:
    """Yield one mistake for each use of such a name; none for a file in which names come from anywhere."""
    if reading.is_wild:
        return
    known = {*dir(builtins), *facts.builtins, *ALWAYS, *reading.bindings}
    known.update(re.findall(r"\w+", reading.parsed.blanked))
    annotations = _in_annotations(reading)
    for node in reading.nodes:
        if isinstance(node, ast.Name) and node.id not in known and id(node) not in annotations:
            why = f"nothing in this file gives '{node.id}' a value and Python has none: loading it ends in a NameError"
            instead = _instead(node.id, facts, [*reading.bindings])
            what = f"the name '{node.id}' is not defined"
            yield reading.mistake(node, "undefined-name", what, why, instead, reading.severity(node))


def _instead(name: str, facts: SubjectFacts, defined: list[str]) -> str:
    words = {*(facts.strategies or ()), *(facts.affinities or ())}
    near = get_close_matches(name, defined, n=2, cutoff=0.75)
    if name in words or not near:
        return f'"{name}", in quotes' + ("" if name in words else ", if a string is meant")
    return f"did you mean {' or '.join(near)}?"


def _in_annotations(reading: Reading) -> set[int]:
    """Return the ids of names in annotations: when, and whether, those are evaluated differs between Pythons."""
    found: list[ast.AST] = []
    for node in reading.nodes:
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            found.append(node.annotation)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            found.append(node.returns)
    return {id(inner) for one in found for inner in ast.walk(one)}
