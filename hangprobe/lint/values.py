"""What an expression surely is, where a file says so in plain words. Pure.

Followed: a literal; a name that is bound once, to a literal; an entry of a dictionary that is written once, with plain
keys, and afterwards only read (`user_opts["strategy"]`). Everything else is unknown.
"""

from __future__ import annotations

import ast

from hangprobe.lint.reading import Reading


def literal(reading: Reading, node: ast.AST) -> ast.Constant | None:
    """Return the literal that an expression is, at the place where it is written; None if that is not sure."""
    match node:
        case ast.Constant():
            return node
        case ast.Name(id=name):
            value = _assigned(reading, name)
            return value if isinstance(value, ast.Constant) else None
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
            entry = _entry(reading, name, key)
            return entry if isinstance(entry, ast.Constant) else None
    return None


def text(reading: Reading, node: ast.AST) -> tuple[str, ast.Constant] | None:
    """Return the string that an expression surely is, and where it is written."""
    found = literal(reading, node)
    return (found.value, found) if found is not None and isinstance(found.value, str) else None


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return what a call gives for a keyword; None if it does not name it."""
    return next((one.value for one in call.keywords if one.arg == name), None)


def has_unknown_keywords(call: ast.Call) -> bool:
    """Whether a call takes keywords from a dictionary as well."""
    return any(one.arg is None for one in call.keywords)


def _assigned(reading: Reading, name: str) -> ast.expr | None:
    """Return the expression to which a name is bound, if that happens once only."""
    if len(reading.bindings.get(name, ())) != 1:
        return None
    for node in reading.nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=bound)], value=value) if bound == name:
                return value
            case ast.AnnAssign(target=ast.Name(id=bound), value=ast.expr() as value) if bound == name:
                return value
    return None


def _entry(reading: Reading, name: str, key: str) -> ast.expr | None:
    written = _assigned(reading, name)
    if not isinstance(written, ast.Dict) or not _is_only_read(reading, name):
        return None
    plain = [one.value for one in written.keys if isinstance(one, ast.Constant)]
    if len(plain) != len(written.keys) or plain.count(key) != 1:
        return None
    return written.values[plain.index(key)]


def _is_only_read(reading: Reading, name: str) -> bool:
    """Whether a name is never used but to look something up in it."""
    for node in reading.nodes:
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            around = reading.parents.get(id(node))
            if not (isinstance(around, ast.Subscript) and around.value is node and isinstance(around.ctx, ast.Load)):
                return False
    return True
