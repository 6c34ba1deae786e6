"""Say what this Python's Parsl accepts: run by a subject environment, any Python from 3.8 on, with any Parsl.

A stand-alone script: it imports nothing of the project. A question comes as JSON on standard input, `{"names": [dotted
...], "source": "..."}`; the answer goes as one JSON object to standard output (what Parsl prints while it is imported
goes to standard error). Signatures are asked of the live classes; what has none (the manager's options, the known
strategies) is read in the syntax tree of the installed sources. Nothing of the source in question is run.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
import inspect
import json
import os
import platform
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

BESIDE = 200
"""Names told beside a missing one."""


def describe(name: str) -> dict[str, Any]:
    """Return what a dotted name is here, and which keywords a call of it takes."""
    parts = name.split(".")
    found: Any = None
    for count in range(1, len(parts) + 1):
        prefix = ".".join(parts[:count])
        if count > 1 and hasattr(found, parts[count - 1]):
            found = getattr(found, parts[count - 1])
            continue
        try:
            if count > 1 and not inspect.ismodule(found):
                return _missing(name, found, parts[count - 1])
            found = importlib.import_module(prefix)
        except ModuleNotFoundError as error:
            if error.name != prefix:
                return {"name": name, "kind": "broken", "why": f"{type(error).__name__}: {error}"}
            return _missing(name, found, parts[count - 1])
        except (Exception, SystemExit) as error:
            return {"name": name, "kind": "broken", "why": f"{type(error).__name__}: {error}"}
    return {"name": name, "kind": _kind(found), "keywords": keywords_of(found)}


def _missing(name: str, parent: Any, part: str) -> dict[str, Any]:
    owner = getattr(parent, "__name__", "") or "this Python"
    beside = [one for one in dir(parent) if not one.startswith("_")][:BESIDE] if parent is not None else []
    return {"name": name, "kind": "missing", "why": f"{owner} has no {part}", "beside": beside}


def _kind(thing: Any) -> str:
    if inspect.isclass(thing):
        return "class"
    if inspect.ismodule(thing):
        return "module"
    return "function" if callable(thing) else "value"


def keywords_of(thing: Any) -> list[str] | None:
    """Return the names that a call may use; None if it takes any, or if that cannot be told."""
    if inspect.ismodule(thing) or not callable(thing):
        return None
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    return [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]


def source_of(module: str) -> str:
    """Return the source of an installed module without importing it; empty if there is none."""
    try:
        spec = importlib.util.find_spec(module)
        if spec is None or not spec.origin or not spec.origin.endswith(".py"):
            return ""
        with open(spec.origin, encoding="utf-8") as file:
            return file.read()
    except (ImportError, OSError, ValueError, AttributeError):
        return ""


def strategies() -> list[str | None] | None:
    """Return the keys of `self.strategies = {...}`, where the job strategy is chosen."""
    for module in ("parsl.jobs.strategy", "parsl.dataflow.strategy"):
        for node in ast.walk(ast.parse(source_of(module))):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
                names = [one.attr for one in node.targets if isinstance(one, ast.Attribute)]
                keys = [one.value for one in node.value.keys if isinstance(one, ast.Constant)]
                if "strategies" in names and len(keys) == len(node.value.keys):
                    return [one for one in keys if one is None or isinstance(one, str)]
    return None


def affinities() -> tuple[list[str] | None, bool, bool]:
    """Return what the manager takes as --cpu-affinity, whether `list:...` too, and whether case is ignored.

    `choices=[...]` of its option until 2023; since then a function that knows `allowed_strategies`, or `list`.
    """
    tree = ast.parse(source_of("parsl.executors.high_throughput.process_worker_pool"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and any(_text(one) == "--cpu-affinity" for one in node.args):
            for keyword in node.keywords:
                if keyword.arg == "choices":
                    return _texts(keyword.value), False, False
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and _names(node) == ["allowed_strategies"]:
                    words = ast.dump(function)
                    return _texts(node.value), "value='list'" in words, "attr='lower'" in words
    return None, False, False


def _names(node: ast.Assign) -> list[str]:
    return [one.id for one in node.targets if isinstance(one, ast.Name)]


def _text(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _texts(node: ast.AST) -> list[str] | None:
    if not isinstance(node, (ast.List, ast.Tuple)):
        return None
    found = [_text(one) for one in node.elts]
    return [one for one in found if one is not None] if None not in found else None


def address_use() -> str | None:
    """Return what the interchange does with the executor's address: `none`, `bound` or `parsed`."""
    source = source_of("parsl.executors.high_throughput.interchange")
    if not source:
        return None
    if "tcp_url(self.interchange_address" in source:
        return "parsed" if "ipaddress.ip_address(" in source_of("parsl.addresses") else "bound"
    return "bound" if "tcp://{self.interchange_address}" in source else "none"


def is_hostname_resolved() -> bool | None:
    """Return whether address_by_hostname() returns an address, as since January 2024, and not a host name."""
    for node in ast.walk(ast.parse(source_of("parsl.addresses"))):
        if isinstance(node, ast.FunctionDef) and node.name == "address_by_hostname":
            return "gethostbyname" in ast.dump(node)
    return None


def syntax(source: str) -> Iterator[tuple[str, bool | str | int]]:
    """Yield whether this Python can compile a source, and what it says if not."""
    try:
        compile(source, "<configuration>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        yield "compiles", False
        yield "syntax_words", getattr(error, "msg", "") or str(error) or type(error).__name__
        yield "syntax_line", getattr(error, "lineno", None) or 1
    else:
        yield "compiles", True


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Return all facts, as `hangprobe.lint.subject.SubjectFacts` has them."""
    import parsl

    allowed, takes_list, ignores_case = affinities()
    return {
        "python": platform.python_version(),
        "parsl": str(getattr(parsl, "__version__", "unknown")),
        "parsl_file": os.path.abspath(parsl.__file__ or ""),
        "builtins": dir(builtins),
        "names": [describe(name) for name in question["names"]],
        "strategies": strategies(),
        "affinities": allowed,
        "is_affinity_list_taken": takes_list,
        "is_affinity_case_ignored": ignores_case,
        "address_use": address_use(),
        "is_hostname_resolved": is_hostname_resolved(),
        **dict(syntax(question["source"])),
    }


def main() -> None:
    """Answer the question on standard input."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [one for one in sys.path if os.path.abspath(one or ".") != here]  # records.py is not Parsl's
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    json.dump(answer(json.load(sys.stdin)), out)
    out.flush()
    os._exit(0)  # threads and exit handlers of what was imported do not matter


if __name__ == "__main__":
    main()
