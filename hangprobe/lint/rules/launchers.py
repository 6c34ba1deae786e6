"""A launcher without the options that its MPI needs. Warnings only: which mpiexec it finds shows on the nodes."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from hangprobe.lint.mistake import Mistake, Severity
from hangprobe.lint.reading import Reading
from hangprobe.lint.subject import SubjectFacts
from hangprobe.lint.values import keyword, literal, text

PALS = (
    "it writes `mpiexec --bind-to none`, and the mpiexec of HPE Cray machines with PBS (PALS, as on Polaris) has no "
    "--bind-to: it ends at once"
)
PALS_INSTEAD = 'MpiExecLauncher(bind_cmd="--cpu-bind", overrides="--depth=64 --ppn 1")'
TWO_MANAGERS = "without it two managers start on the first node and none on the last, and nothing says so"
NEEDED = {"openmpi": "--map-by ppr:1:node", "impi": "-ppn 1"}
"""One manager a node: measured with both on three nodes; MPICH needs nothing."""


def launchers(reading: Reading, facts: SubjectFacts) -> Iterator[Mistake]:
    """Yield a warning for each provider whose MpiExecLauncher lacks an option."""
    for name, call in reading.calls():
        launcher = keyword(call, "launcher")
        if not name.startswith("parsl.providers.") or not _is_mpiexec(reading, launcher):
            continue
        assert isinstance(launcher, ast.Call)
        if facts.mpi == "pals" or (facts.mpi is None and name.endswith(".PBSProProvider")):
            yield from _pals(reading, launcher)
        elif facts.mpi in NEEDED:
            yield from _one_a_node(reading, call, launcher, facts.mpi)


def _is_mpiexec(reading: Reading, launcher: ast.expr | None) -> bool:
    if not isinstance(launcher, ast.Call) or any(one.arg is None for one in launcher.keywords) or launcher.args:
        return False
    meaning = reading.meaning(launcher.func) or ""
    return meaning.startswith("parsl.launchers.") and meaning.endswith(".MpiExecLauncher")


def _pals(reading: Reading, launcher: ast.Call) -> Iterator[Mistake]:
    if keyword(launcher, "bind_cmd") is None:
        what = "MpiExecLauncher() as it is does not work with every mpiexec"
        yield reading.mistake(launcher, "launcher-options", what, PALS, PALS_INSTEAD, Severity.WARNING)


def _one_a_node(reading: Reading, provider: ast.Call, launcher: ast.Call, mpi: str) -> Iterator[Mistake]:
    nodes = keyword(provider, "nodes_per_block")
    number = literal(reading, nodes) if nodes is not None else ast.Constant(1)
    overrides = keyword(launcher, "overrides")
    given = text(reading, overrides) if overrides is not None else ("", ast.Constant(""))
    if given is None or (number is not None and number.value == 1):
        return
    needed = NEEDED[mpi]
    if not all(word in given[0].split() for word in needed.split()):
        what = f"MpiExecLauncher() starts no manager on some nodes with this mpiexec ({mpi})"
        instead = f'MpiExecLauncher(overrides="{needed}")'
        yield reading.mistake(launcher, "launcher-options", what, TWO_MANAGERS, instead, Severity.WARNING)
