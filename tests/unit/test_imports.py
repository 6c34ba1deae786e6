"""Imports go down only: who may import what, module by module, imports inside functions included."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hangprobe"
MAY_IMPORT: dict[str, set[str]] = {
    # the words, and what everybody may use
    "": set(),
    "errors": set(),
    "model": set(),
    "evidence": {"model"},
    "policy": set(),
    "ranksets": set(),
    "hydraoptions": set(),
    "result": {"context.values", "model"},
    "filewaits": {"model"},
    "context.values": {"model"},
    "context.variables": set(),
    "context.classes": {"context.values", "ranksets"},
    "record": {"errors", "model", "evidence", "result"},
    "programs": {"errors", "model", "ranksets"},
    # touching the world
    "observe.procfs": {"model"},
    "observe.reader": {"model", "observe.procfs"},
    "observe.kcmp": set(),
    "observe.fdinfo": set(),
    "observe.unixsockets": {"model"},
    "observe.stacks": {"errors", "model", "evidence"},
    "observe.census": {"model", "observe.procfs", "observe.reader"},
    "observe.sharers": {"model", "observe.census", "observe.procfs", "observe.kcmp"},
    "observe.world": {
        "observe.clocks",
        "observe.sharers",
        "model",
        "observe.procfs",
        "observe.reader",
        "observe.kcmp",
        "observe.unixsockets",
    }
    | {"observe.waits.shapes"},
    "observe.tables": {"model", "observe.procfs", "observe.world"},
    "observe.holders": {"model", "observe.fdinfo", "observe.tables", "observe.world"},
    "observe.tcp": {"model", "observe.reader"},
    "observe.feeding": {"hydraoptions", "model", "observe.procfs", "observe.reader", "observe.tcp", "observe.world"},
    "observe.candidates": {"model", "observe.ranks", "observe.waits.shapes"},
    "observe.runcounts": {"model", "observe.candidates", "observe.procfs", "observe.reader"},
    "observe.roster": {"model", "observe.candidates", "observe.procfs", "observe.ranks", "observe.reader"}
    | {"observe.births", "observe.cputimes", "observe.roots", "observe.runcounts"},
    "observe.births": {"model", "observe.cputimes", "observe.reader"},
    "observe.cputimes": {"observe.reader"},
    "observe.roots": {"model", "observe.ranks"},
    "observe.filewaits": {"filewaits", "model", "observe.fdinfo", "observe.procfs", "observe.reader"}
    | {"observe.waits.shapes"},
    "observe.fed": {"model", "observe.feeding"},
    "observe.waits.shapes": {"model"},
    "observe.waits": {"model", "observe.procfs", "observe.reader", "observe.fdinfo", "observe.holders"}
    | {"observe.tables", "observe.world", "observe.waits"},
    "observe.context": {"model", "context.values", "context.variables", "observe"},
    "observe": {"errors", "model", "evidence", "observe"},
    "launch.mpijob": set(),
    "launch.optiontables": {"hydraoptions", "model"},
    "launch.commandline": {"model", "launch.optiontables"},
    "launch.insertion": {"model", "launch.commandline"},
    "launch.spanning": {"model", "launch.commandline"},
    "launch.arguments": {"model", "launch.mpijob"},
    "launch.flavours": {"errors", "model", "launch.arguments", "launch.mpijob"},
    "launch.environments": {"errors", "model", "launch.flavours"},
    "launch.output": set(),
    "launch.pretended": set(),
    "launch.jobsize": {"model", "launch.flavours", "launch.mpijob", "launch.session"},
    "launch": {"errors", "launch"},
    "testbed.layout": set(),
    "testbed.state": set(),
    "testbed": {"errors", "testbed"},
    # thinking
    "judge.knot": set(),
    "judge.leaks": {"model"},
    "judge.collects": {"model"},
    "judge.scene": {"model", "judge.beside", "judge.collects", "judge.knot", "judge.leaks"},
    "judge.clauses": {"model", "judge.beside", "judge.collects", "judge.knot", "judge.scene"},
    "judge": {"model", "ranksets", "judge"},
    "explain.catalogue": {"model"},
    "explain.case": {"model", "evidence"},
    "explain.shared": {"model", "explain.case"},
    "explain.contextwords": {"context.values", "context.variables"},
    "explain.contextrules": {"context.values", "model"},
    "explain.contextdiff": {"model", "context.values", "context.classes", "ranksets"}
    | {"explain.contextrules", "explain.contextwords"},
    "explain.sentence": {"model", "ranksets", "result"},
    "explain": {"model", "evidence", "result", "ranksets", "explain"},
    "report.contexts": {"ranksets", "explain.contextdiff"},
    "report": {"explain.contextdiff", "model", "ranksets", "result", "explain.catalogue", "report"},
    # the pipeline
    "diagnosis": {"context.values", "model", "evidence", "policy", "record", "result", "observe", "judge", "explain"},
    "schedule": {"model", "policy", "observe", "judge", "diagnosis"},
    "watchdog": {"model", "policy", "record", "observe", "diagnosis", "schedule"},
    "digest": {"filewaits", "context.values", "context.classes", "model", "evidence", "policy", "ranksets", "result"},
    "conclude": {"model", "result", "digest"},
    # jobs that run already, here and on other nodes
    "attach.attachment": {"model", "policy", "record", "observe", "diagnosis"},
    "attach.elders": {"model", "observe"},
    "attach.sparing": {"model", "policy", "record", "observe", "attach.attachment", "attach.elders"},
    "attach.sweep": {"errors", "model", "policy", "result", "judge.beside", "observe", "conclude", "attach.attachment"}
    | {"attach.sparing"},
    "attach.nodes": {"ranksets", "errors", "model", "policy", "result", "observe", "conclude", "agent"},
    "agent.link.linkfile": {"errors"},
    "agent.wrapping.rank": {"agent.wrapping.become"},
    "agent.wrapping.become": {"agent.wrapping.seat"},
    "agent.wrapping.seat": set(),
    "agent.wrapping.deputy": {"agent.wrapping.seat"},
    "agent.wrapping.words": set(),
    "agent.observer.parent": {"launch.relay", "launch.session"},
    "agent.link.keys": set(),
    "agent.link.addresses": set(),
    "agent.joint.lockwaits": {"digest", "filewaits", "model", "ranksets", "result"},
    "agent.observer.lockwatch": {"digest", "filewaits", "judge.collects", "model", "observe", "watchdog"},
    "agent.link.messages": {"filewaits", "digest", "model", "ranksets", "record"},
    "agent.link.wire": {"agent.link.messages"},
    "agent.link.reaching": {"agent.link.addresses"},
    "agent.link.admission": {"agent.link.messages"},
    "agent.link.head": {
        "agent.link.addresses",
        "agent.link.admission",
        "agent.link.keys",
        "agent.link.messages",
        "agent.link.wire",
    },
    "agent.link.line": {"agent.link.messages", "agent.link.reaching", "agent.link.wire"},
    "agent.look.nodereport": {"context.values", "model", "evidence"},
    "agent.hosts": {"errors"},
    "agent.look.fanout": {"ranksets", "agent.hosts", "agent.look.nodereport"},
    "agent.look.join": {
        "context.values",
        "model",
        "evidence",
        "policy",
        "ranksets",
        "result",
        "judge",
        "explain",
        "observe.fed",
    }
    | {"agent.look.nodereport"},
    "agent.joint.merge": {
        "agent.joint.lockwaits",
        "filewaits",
        "context.classes",
        "model",
        "ranksets",
        "result",
        "explain.sentence",
        "digest",
    },
    "agent.look.node": {"model", "policy", "observe", "attach.sweep", "attach.attachment", "agent.look.nodereport"},
    "agent.observer.registry": set(),
    "agent.observer.nodejob": {"launch.ending", "launch.proctree", "launch.segments"},
    "agent.joint.linking": {
        "agent.link.admission",
        "agent.link.head",
        "agent.link.keys",
        "agent.link.linkfile",
        "agent.link.messages",
    }
    | {"agent.wrapping.words", "launch.proctree"},
    "agent.observer.observing": {
        "agent.observer.lockwatch",
        "filewaits",
        "digest",
        "launch.proctree",
        "model",
        "observe",
        "policy",
        "ranksets",
        "record",
        "watched",
    }
    | {
        "watchdog",
        "agent.link.messages",
        "agent.observer.nodejob",
        "agent.link.line",
        "agent.observer.parent",
        "agent.observer.registry",
    },
    "agent.observer.__main__": {
        "launch.proctree",
        "agent.link.linkfile",
        "agent.observer.nodejob",
        "agent.observer.observing",
        "agent.link.line",
    }
    | {
        "agent.wrapping.become",
        "agent.link.messages",
        "agent.observer.parent",
        "agent.observer.registry",
        "agent.wrapping.seat",
    },
    "agent.joint.sense": {"digest", "ranksets", "agent.joint.merge"},
    "agent.joint.jobwatch": {"agent.joint.sense"}
    | {"diagnosis", "digest", "launch.session", "model", "observe.starters", "policy", "ranksets"}
    | {"agent.link.admission", "agent.joint.linking", "agent.joint.merge", "agent.link.messages", "watched", "watchdog"}
    | {"agent.joint.lockwaits", "agent.observer.lockwatch", "filewaits"},
    "watched": {"digest", "model", "watchdog"},
    "probe": {"", "errors", "model", "policy", "record", "result", "launch", "watchdog", "watched", "conclude"}
    | {"agent.joint.jobwatch", "agent.joint.linking"},
    "cli": {"", "errors", "model", "policy", "ranksets", "record", "result", "programs", "explain.catalogue"}
    | {
        "launch",
        "report",
        "watched",
        "probe",
        "attach",
        "agent.hosts",
        "agent.joint.linking",
        "doctor",
        "testbed",
        "cli",
    },
    "doctor": {"model", "policy", "result", "launch", "watched", "probe", "doctor"},
    "doctor.checkup": {"model"},
    "doctor.facts": {"model"},
    "doctor.asking": set(),
    "doctor.checks": {"model", "doctor.checkup", "doctor.facts"},
    "doctor.gather": {"errors", "model", "observe", "launch", "testbed", "doctor.asking", "doctor.facts"}
    | {"doctor.gather"},
    "doctor.programs": set(),
    "__main__": {"cli"},
}
"""The nearest entry counts: a module's own, else its package's. An allowed package allows all its modules."""

THIRD_PARTIES: dict[str, set[str]] = {
    "model": {"msgspec"},
    "record": {"msgspec"},
    "observe": {"msgspec"},  # msgspec: what py-spy prints is JSON
    "agent.look.nodereport": {"msgspec"},
    "agent.link.messages": {"msgspec"},
    "agent.link.keys": {"zmq"},
    "agent.link.wire": {"zmq"},
    "agent.link.head": {"zmq"},
    "agent.link.line": {"zmq"},
    "agent.hosts": {"ClusterShell"},
    "agent.look.fanout": {"ClusterShell"},
    "cli": {"typer", "rich"},
    "doctor.checkup": {"msgspec"},
}
HEAVY = ("scipy", "plotly", "parsl", "zmq", "ClusterShell", "jinja2")
PURE_MODULES = {"os", "time", "subprocess", "socket", "threading", "signal", "pathlib", "io", "random", "sys"}
"""What a pure stage has no use for: a verdict must be the same on another machine, months later."""


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
