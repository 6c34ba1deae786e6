"""The table of workloads: whole, and true to the functions behind it."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

from hangprobe.ensemble import workloads
from hangprobe.ensemble.subject import plain
from hangprobe.explain.catalogue import MECHANISMS

ROOT = Path(__file__).parents[3]
STAND_ALONE = [
    *(ROOT / "hangprobe/ensemble" / name for name in ("htex_child.py", "launchers.py", "workloads.py")),
    *sorted((ROOT / "hangprobe/ensemble/subject").glob("*.py")),
]
NAMES = sorted(workloads.TABLE)


@pytest.mark.parametrize("name", NAMES)
def test_a_workload_has_a_function_that_needs_no_more_than_a_task_number(name: str) -> None:
    workload = workloads.TABLE[name]
    function = getattr(importlib.import_module(f"hangprobe.ensemble.subject.{workload.module}"), workload.function)
    first, *rest = inspect.signature(function).parameters.values()
    assert first.name == "number"
    assert all(each.default is not each.empty for each in rest)


@pytest.mark.parametrize("name", NAMES)
def test_a_workload_expects_a_known_mechanism(name: str) -> None:
    workload = workloads.TABLE[name]
    # stdio-kept-open is a property of the job, not of a rank: no rule finds it in a process
    assert workload.mechanism is None or workload.mechanism in {*MECHANISMS, "stdio-kept-open"}
    assert (workload.mechanism is None) == (workload.hangs_under == "nothing")


def test_one_workload_must_hang_and_one_must_complete_under_every_launcher() -> None:
    controls = {each.control: each for each in workloads.TABLE.values() if each.control}
    assert set(controls) == {workloads.MUST_HANG, workloads.MUST_COMPLETE}
    assert controls[workloads.MUST_HANG].hangs_under == "any"
    assert controls[workloads.MUST_COMPLETE].hangs_under == "nothing"
    assert len([each for each in workloads.TABLE.values() if each.control]) == 2


def test_the_page_tells_of_every_workload() -> None:
    page = (ROOT / "docs/workloads.md").read_text()
    assert [name for name in NAMES if f"| `{name}` |" not in page] == []


def test_what_is_expected_is_said_in_one_phrase() -> None:
    assert workloads.TABLE["stdin-child"].expect == "launcher-stdin: mpiexec only"
    assert workloads.TABLE["thread-lock"].expect == "fork-orphaned-lock: any launcher"
    assert workloads.TABLE["noop"].expect == "completes"


def test_workloads_that_hang_nowhere_come_to_their_end() -> None:
    plain.noop(0)
    plain.sleep(0, seconds=0.0)


def test_an_mpi_task_that_starts_jobs_of_one_rank_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mpiexec = tmp_path / "mpiexec"
    mpiexec.write_text("#!/bin/sh\necho 1\necho 1\n")
    mpiexec.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(AssertionError, match="not one job of 2 ranks"):
        plain.mpi_task(0)


def test_an_mpi_task_may_hear_its_ranks_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mpiexec = tmp_path / "mpiexec"
    mpiexec.write_text("#!/bin/sh\nprintf '22\\n\\n'\n")
    mpiexec.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    plain.mpi_task(0)


@pytest.mark.parametrize("file", STAND_ALONE, ids=lambda file: file.name)
def test_what_runs_in_a_subject_is_written_for_python_3_8(file: Path) -> None:
    tree = ast.parse(file.read_text(), feature_version=(3, 8))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Match)]
