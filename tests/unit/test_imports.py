"""Imports go down only: who may import what, module by module, imports inside functions included."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .import_table import HEAVY, MAY_IMPORT, PURE_MODULES, THIRD_PARTIES

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hangprobe"


def module_of(file: Path) -> str:
    """Return a module's name below hangprobe."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_of(file): file for file in sorted(PACKAGE.rglob("*.py")) if "_reproducers" not in file.parts}


def imports(file: Path) -> Iterator[tuple[str, int]]:
    """Yield every module that a file imports, and in which line, wherever in the file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            assert node.module is not None
            # `from hangprobe.observe.waits import child` imports a module, `from hangprobe.model import Wait` does not
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                is_module = name.removeprefix("hangprobe.") in MODULES
                yield (name if is_module else node.module), node.lineno


def nearest(table: dict[str, set[str]], module: str) -> set[str]:
    """Return the table's entry for a module, else for the package that it is in."""
    name = module
    while name and name not in table:
        name = name.rpartition(".")[0]
    return table.get(name, set()) if name or not module else set()


def is_allowed(wanted: str, allowed: set[str]) -> bool:
    return wanted in allowed or any(name and wanted.startswith(f"{name}.") for name in allowed)


def project_imports(module: str) -> set[str]:
    found = {name for name, _ in imports(MODULES[module])}
    return {name.removeprefix("hangprobe").removeprefix(".") for name in found if name.split(".")[0] == "hangprobe"}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_lies_below_it(module: str) -> None:
    allowed = nearest(MAY_IMPORT, module)
    assert {name for name in project_imports(module) if not is_allowed(name, allowed)} == set()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_uses_only_its_own_third_parties(module: str) -> None:
    allowed = nearest(THIRD_PARTIES, module) | {"hangprobe", "__future__"}
    roots = {name.split(".")[0] for name, _ in imports(MODULES[module])}
    assert roots - allowed - sys.stdlib_module_names == set()


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] in {"judge", "explain", "report"}])
def test_a_pure_stage_touches_nothing(module: str) -> None:
    assert {name.split(".")[0] for name, _ in imports(MODULES[module])} & PURE_MODULES == set()


def test_every_package_of_the_project_stands_in_the_table() -> None:
    assert {module.split(".")[0] for module in MODULES} <= {entry.split(".")[0] for entry in MAY_IMPORT}


def test_no_module_imports_itself_by_way_of_another() -> None:
    below = {module: project_imports(module) & MODULES.keys() - {module} for module in MODULES}
    left = dict(below)
    while left:
        ends = [module for module, wanted in left.items() if not wanted & left.keys()]
        assert ends, f"a circle among {sorted(left)}"
        for module in ends:
            del left[module]


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] != "cli"])
def test_only_the_command_line_prints(module: str) -> None:
    calls = [node for node in ast.walk(ast.parse(MODULES[module].read_text())) if isinstance(node, ast.Call)]
    assert [c.lineno for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is(module: str) -> None:
    assert ast.get_docstring(ast.parse(MODULES[module].read_text()))


@pytest.mark.parametrize(
    "file", sorted((ROOT / "reproducers").rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT))
)
def test_a_reproducer_needs_nothing_but_python_and_mpi4py(file: Path) -> None:
    roots = {name.split(".")[0] for name, _ in imports(file)}
    assert roots - sys.stdlib_module_names - {"mpi4py"} == set()


def test_the_command_line_starts_without_heavy_libraries() -> None:
    code = f"import hangprobe.cli.main, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
