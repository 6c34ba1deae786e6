"""A configuration as rules see it: its tree, what its names mean, which of it surely runs. Pure.

A name has a meaning only where that is beyond doubt: all that binds it, anywhere in the file, is the same import. A
file that makes names in ways that cannot be read (a star import, exec, globals()) is *wild*: nothing in it is certain.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

from hangprobe.lint.certain import certain_nodes, plain_functions
from hangprobe.lint.mistake import Mistake, Severity
from hangprobe.lint.repair import Parsed, line_and_column, original, starts

WILD_CALLS = {"exec", "eval", "compile", "globals", "locals", "vars", "setattr", "__import__"}
WILD_MODULES = {"builtins", "__builtin__"}


class Reading:
    """One file. `text` is it as it was given; `parsed` what could be made of it."""

    def __init__(self, text: str, parsed: Parsed) -> None:
        self.text = text
        self.parsed = parsed
        self.tree = parsed.tree
        self.nodes = tuple(ast.walk(self.tree))

    @cached_property
    def is_wild(self) -> bool:
        """Whether names may come and change in ways that cannot be read in the file."""
        return any(_is_wild(node) for node in self.nodes) or any(
            isinstance(node, ast.Attribute)
            and not isinstance(node.ctx, ast.Load)
            and (self.meaning(node) or "").startswith("parsl.")
            for node in self.nodes
        )

    @cached_property
    def bindings(self) -> dict[str, tuple[str | None, ...]]:
        """Name -> what binds it, anywhere: the dotted name for an import, None for all else."""
        found: dict[str, list[str | None]] = defaultdict(list)
        for node in self.nodes:
            for name, meaning in _bound_by(node):
                found[name].append(meaning)
        return {name: tuple(meanings) for name, meanings in found.items()}

    @cached_property
    def certain(self) -> frozenset[int]:
        """The ids of the nodes that surely run when the file is loaded."""
        functions = plain_functions(self.tree)
        return certain_nodes(self.tree, {n: one for n, one in functions.items() if len(self.bindings[n]) == 1})

    @cached_property
    def parents(self) -> dict[int, ast.AST]:
        """The id of each node -> what it stands in."""
        return {id(child): node for node in self.nodes for child in ast.iter_child_nodes(node)}

    def meaning(self, node: ast.AST) -> str | None:
        """Return the dotted name that a name or an attribute surely stands for; None if that is not sure."""
        if isinstance(node, ast.Attribute):
            owner = self.meaning(node.value)
            return f"{owner}.{node.attr}" if owner else None
        if not isinstance(node, ast.Name):
            return None
        meanings = set(self.bindings.get(node.id, ()))
        return next(iter(meanings)) if len(meanings) == 1 else None

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Yield every call of a name with a meaning."""
        for node in self.nodes:
            if isinstance(node, ast.Call) and (meaning := self.meaning(node.func)):
                yield meaning, node

    def calls_of(self, name: str) -> Iterator[ast.Call]:
        """Yield every call of one of Parsl's classes or functions by its own name, wherever it is imported from."""
        for meaning, call in self.calls():
            if meaning.startswith("parsl.") and meaning.rpartition(".")[2] == name:
                yield call

    def severity(self, node: ast.AST) -> Severity:
        """Return whether what is wrong there fails for sure."""
        return Severity.MISTAKE if id(node) in self.certain and not self.is_wild else Severity.WARNING

    def place(self, node: ast.AST) -> tuple[int, int]:
        """Return where a node stands in the file as it was given: line and column, from 1 on."""
        line, in_bytes = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        start = starts(self.parsed.text)[line - 1]
        row = self.parsed.text[start:].split("\n", 1)[0]
        offset = start + len(row.encode()[:in_bytes].decode(errors="replace"))
        return line_and_column(self.text, original(self.parsed.edits, offset))

    def line(self, number: int) -> str:
        """Return a line as it was given; empty if there is none of this number."""
        lines = self.text.split("\n")
        return lines[number - 1].rstrip("\r") if 0 < number <= len(lines) else ""

    def mistake(self, node: ast.AST, slug: str, what: str, why: str, instead: str, severity: Severity) -> Mistake:
        """Return a mistake at a node."""
        line, column = self.place(node)
        if severity is Severity.WARNING and id(node) not in self.certain:
            why += "; a warning only, as it is not certain that this line runs"
        return Mistake(line, column, slug, what, why, instead, severity, self.line(line))


def _is_wild(node: ast.AST) -> bool:
    match node:
        case ast.ImportFrom(names=[ast.alias(name="*")]):
            return True
        case ast.Import(names=names):
            return any(one.name in WILD_MODULES for one in names)
        case ast.ImportFrom(module=module):
            return module in WILD_MODULES
        case ast.Name(id=name):
            return name in WILD_CALLS or name == "__builtins__"
        case ast.Attribute(attr=name):
            return name == "modules" or name == "__dict__"
    return False


def _bound_by(node: ast.AST) -> Iterator[tuple[str, str | None]]:
    """Yield the names that a node binds, with what they then mean."""
    match node:
        case ast.Import(names=names):
            for one in names:
                root = one.name.split(".")[0]
                yield (one.asname, one.name) if one.asname else (root, root)
        case ast.ImportFrom(module=module, names=names, level=level):
            for one in names:
                yield one.asname or one.name, f"{module}.{one.name}" if module and not level else None
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name, None
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
            yield name, None
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name, None
        case ast.MatchMapping(rest=str(name)):
            yield name, None
