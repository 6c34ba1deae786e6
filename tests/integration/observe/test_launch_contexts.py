"""What three MPI launchers and GNU parallel really give their ranks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from hangprobe.context.values import LAUNCHING, Channel, Far, Kind, LaunchContext, Role
from hangprobe.explain.contextdiff import Direction, diff, diff_two
from hangprobe.launch.environments import MPIS
from hangprobe.report.contexts import context_lines

from .started import SECRET, under_mpi, under_parallel, unpacked_parallel

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module", autouse=True)
def _environments() -> None:
    """Let every MPI have an environment; the first test on a machine makes them."""
    made = subprocess.run([REPOSITORY / "scripts/envs"], capture_output=True, text=True, timeout=280, check=False)
    assert made.returncode == 0, made.stderr


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, LaunchContext]]:
    """Return the launch contexts of four ranks under each MPI."""
    return {mpi: under_mpi(mpi, tmp_path_factory.mktemp(mpi)) for mpi in MPIS}


@pytest.fixture(scope="module")
def parallel(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = shutil.which("parallel")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout if found else ""
    path = (
        found if found and said.startswith("GNU parallel") else unpacked_parallel(tmp_path_factory.mktemp("parallel"))
    )
    if path is None:
        pytest.skip("GNU parallel is not to be had here")
    return path


def channel(context: LaunchContext, name: str = "stdin") -> Channel:
    found = getattr(context, name)
    assert isinstance(found, Channel)
    return found


@pytest.mark.parametrize(("mpi", "kind"), [("mpich", Kind.PIPE), ("impi", Kind.SOCKET)])
def test_hydra_keeps_the_standard_input_of_all_but_rank_0_open(
    jobs: dict[str, dict[int, LaunchContext]], mpi: str, kind: Kind
) -> None:
    first, *others = (channel(context) for context in jobs[mpi].values())
    assert {each.kind for each in (first, *others)} == {kind}
    assert first.far in {Far.CLOSED, Far.UNSEEN, Far.UNKNOWN}
    assert {each.far for each in others} == {Far.HELD}
    assert [[holder.role for holder in each.holders] for each in others] == [[Role.PROXY]] * 3
    assert {each.was_replaced for each in others} == {False}


def test_open_mpi_gives_rank_0_a_pipe_and_the_others_dev_null(jobs: dict[str, dict[int, LaunchContext]]) -> None:
    first, *others = (channel(context) for context in jobs["openmpi"].values())
    assert (first.kind, first.far, [holder.name for holder in first.holders]) == (Kind.PIPE, Far.HELD, ["prterun"])
    assert {each.kind for each in others} == {Kind.NULL}


def test_open_mpi_gives_every_rank_a_terminal_as_standard_output(jobs: dict[str, dict[int, LaunchContext]]) -> None:
    found = {channel(context, "stdout") for context in jobs["openmpi"].values()}
    assert [(each.kind, each.far, [holder.name for holder in each.holders]) for each in found] == [
        (Kind.TERMINAL, Far.HELD, ["prterun"])
    ]


@pytest.mark.parametrize("mpi", MPIS)
def test_launcher_reads_every_ranks_output(jobs: dict[str, dict[int, LaunchContext]], mpi: str) -> None:
    for context in jobs[mpi].values():
        for name in ("stdout", "stderr"):
            assert channel(context, name).far is Far.HELD
            assert any(holder.role in LAUNCHING for holder in channel(context, name).holders)


@pytest.mark.parametrize("mpi", MPIS)
def test_everything_could_be_read(jobs: dict[str, dict[int, LaunchContext]], mpi: str) -> None:
    for context in jobs[mpi].values():
        unknown = {name for name in context.__struct_fields__ if getattr(context, name) is None}
        assert (unknown, context.unreadable) == ({"stdin_behind", "stdin_never_ends"}, ())


@pytest.mark.parametrize(("mpi", "ranks"), [("mpich", "1-3"), ("impi", "1-3"), ("openmpi", "0")])
def test_rank_0_differs_from_the_others_in_its_standard_input(
    jobs: dict[str, dict[int, LaunchContext]], mpi: str, ranks: str
) -> None:
    found = diff(jobs[mpi])
    assert found.alike == ("0", "1-3"), "\n".join(context_lines(found))
    assert found.differences[0].attribute == "stdin"
    assert [(each.mechanism, each.ranks) for each in found.bearings if each.is_difference] == [
        ("launcher-stdin", ranks)
    ]


@pytest.mark.parametrize("mpi", MPIS)
def test_secret_is_nowhere_in_what_is_told(jobs: dict[str, dict[int, LaunchContext]], mpi: str) -> None:
    for context in jobs[mpi].values():
        assert context.variables is not None
        assert {"AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} <= set(context.variables.names)
        assert context.variables.value("PYTHONPATH") == "https://***@x/"
        assert SECRET.encode() not in msgspec.msgpack.encode(context)


@pytest.mark.parametrize(("mpi", "has_own"), [("mpich", True), ("impi", False), ("openmpi", False)])
def test_session_of_a_rank(jobs: dict[str, dict[int, LaunchContext]], mpi: str, has_own: bool) -> None:
    sessions = {context.session for context in jobs[mpi].values()}
    assert [(s.leads_session, s.leads_group) for s in sessions if s is not None] == [(has_own, True)]


def test_changes_of_single_ranks_are_found(tmp_path: Path) -> None:
    contexts = under_mpi("mpich", tmp_path, "2:sigchld", "3:limits", "1:pinned", "1:stdin")
    found = diff(contexts)
    groups = {each.attribute: {group.ranks: group.value for group in each.groups} for each in found.differences}
    assert groups["blocked"] == {"0-1,3": "-", "2": "CHLD"}
    assert groups["limits"]["3"].startswith("open files 512 of ")
    assert groups["changed-limits"] == {"0-2": "-", "3": "open files"}
    assert contexts[1].processors is not None
    assert contexts[1].processors.count == 1
    if len(os.sched_getaffinity(0)) > 1:
        assert groups["processors"]["1"] == "1"
    assert ("sigchld-blocked", "2") in [(each.mechanism, each.ranks) for each in found.bearings if each.is_difference]
    assert (channel(contexts[1]).kind, channel(contexts[1]).was_replaced) == (Kind.NULL, True)


def test_gnu_parallel_closes_the_standard_input_of_every_job(
    parallel: str, jobs: dict[str, dict[int, LaunchContext]], tmp_path: Path
) -> None:
    contexts = under_parallel(parallel, tmp_path)
    assert {channel(context).kind for context in contexts.values()} == {Kind.PIPE}
    assert {channel(context).far for context in contexts.values()} <= {Far.CLOSED, Far.UNSEEN}
    outputs = {channel(context, "stdout") for context in contexts.values()}
    assert [(each.path, [holder.role for holder in each.holders]) for each in outputs] == [
        ("(deleted)", [Role.PARALLEL])
    ]
    assert all("ALRM" in (context.ignored or ()) for context in contexts.values())
    assert diff(contexts).alike == ("0-3",)
    found = diff_two(jobs["mpich"], contexts, ("mpiexec", "parallel"))
    assert found.changes[0].attribute == "stdin"
    stdin = [each for each in found.explanations if each.mechanism == "launcher-stdin"]
    assert [(each.direction, each.first) for each in stdin] == [(Direction.FIRST, "1-3")]
