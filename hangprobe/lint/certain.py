"""Which parts of a file surely run when it is loaded.

What stands in a branch, a loop, a function that is not called or behind `or` may never run, and a file in which it
is wrong may work: `if version < ...: Executor(max_workers=4)`. Only what is certain can be a mistake that refuses.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

Function = ast.FunctionDef | ast.AsyncFunctionDef


def certain_nodes(tree: ast.Module, functions: dict[str, ast.FunctionDef]) -> frozenset[int]:
    """Return the ids (of Python's objects) of all nodes that run; `functions`: names that mean one function only."""
    walk = _Walk(functions)
    walk.block(tree.body)
    return frozenset(walk.seen)


class _Walk:
    def __init__(self, functions: dict[str, ast.FunctionDef]) -> None:
        self.functions = functions
        self.seen: set[int] = set()
        self.entered: set[str] = set()

    def block(self, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            self.statement(statement)
            if _may_return(statement):
                return

    def statement(self, node: ast.stmt) -> None:
        self.seen.add(id(node))
        match node:
            case ast.If(test=first) | ast.While(test=first) | ast.Match(subject=first) | ast.Assert(test=first):
                self.expression(first)
            case ast.For(iter=first):
                self.expression(first)
            case ast.Try() | ast.TryStar():
                self.block(node.body if not node.handlers else ())
                self.block(node.finalbody)
            case ast.With():
                self.each(item.context_expr for item in node.items)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.each([*node.decorator_list, *_defaults(node.args)])
            case ast.ClassDef():
                self.each([*node.decorator_list, *node.bases, *(one.value for one in node.keywords)])
                self.block(node.body)
            case ast.AnnAssign():
                self.each([node.target, *([node.value] if node.value else [])])
            case _ if type(node).__name__ != "TypeAlias":  # of Python 3.12, evaluated when it is used
                self.each(ast.iter_child_nodes(node))

    def each(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.expression(node)

    def expression(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt):  # of a kind that this file does not know: nothing in it is certain
            return
        self.seen.add(id(node))
        match node:
            case ast.Lambda():
                self.each(_defaults(node.args))
            case ast.IfExp():
                self.expression(node.test)
            case ast.BoolOp():
                self.expression(node.values[0])
            case ast.Compare():
                self.each([node.left, node.comparators[0]])
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self.expression(node.generators[0].iter)
            case _:
                self.each(ast.iter_child_nodes(node))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            self.enter(node.func.id)

    def enter(self, name: str) -> None:
        """Go into the body of a function that is called."""
        if name in self.functions and name not in self.entered:
            self.entered.add(name)
            self.block(self.functions[name].body)


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [*arguments.defaults, *(one for one in arguments.kw_defaults if one is not None)]


def _may_return(node: ast.AST) -> bool:
    """Whether a statement may leave the function that it is in."""
    if isinstance(node, ast.Return):
        return True
    if isinstance(node, Function | ast.ClassDef | ast.Lambda):
        return False
    return any(_may_return(child) for child in ast.iter_child_nodes(node))


def plain_functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Return the functions at the top of a file whose call runs their body: no decorator, no generator."""
    found = [one for one in tree.body if isinstance(one, ast.FunctionDef) and not one.decorator_list]
    return {one.name: one for one in found if not any(isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(one))}
