"""Imports from Parsl, and names reached through it, that the subject's Parsl does not have."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import get_close_matches

from hangprobe.lint.mistake import Mistake
from hangprobe.lint.reading import Reading
from hangprobe.lint.subject import SubjectFacts


def imports(reading: Reading, facts: SubjectFacts) -> Iterator[Mistake]:
    """Yield one mistake for each name; an import that a `try` catches is left alone."""
    for node, name in imported(reading.tree):
        if not _is_caught(reading, node):
            yield from _missing(reading, facts, node, name)
    for name, call in reading.calls():
        if isinstance(call.func, ast.Attribute):
            yield from _missing(reading, facts, call.func, name)


def imported(tree: ast.Module) -> Iterator[tuple[ast.stmt, str]]:
    """Yield every dotted name below parsl that a file imports, modules before what is in them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, one.name) for one in node.names if one.name.split(".")[0] == "parsl")
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "parsl":
            yield node, str(node.module)
            yield from ((node, f"{node.module}.{one.name}") for one in node.names if one.name != "*")


def _missing(reading: Reading, facts: SubjectFacts, node: ast.AST, name: str) -> Iterator[Mistake]:
    known = facts.named(name)
    parent = facts.named(name.rpartition(".")[0])
    if known is None or known.kind not in ("missing", "broken") or (parent and parent.kind in ("missing", "broken")):
        return
    part = name.rpartition(".")[2]
    near = get_close_matches(part, known.beside, n=2, cutoff=0.6)
    instead = f"did you mean {' or '.join(near)}?" if near else ""
    if known.kind == "broken":
        what, why = f"{name} cannot be imported", f"importing it with {facts.version} ends in {known.why}"
    else:
        what, why = f"{facts.version} has no {name}", f"{known.why}: loading the file ends in an ImportError"
    yield reading.mistake(node, "unknown-import", what, why, instead, reading.severity(node))


def _is_caught(reading: Reading, node: ast.AST) -> bool:
    around = reading.parents.get(id(node))
    while around is not None and not isinstance(around, ast.Try):
        around = reading.parents.get(id(around))
    return around is not None
