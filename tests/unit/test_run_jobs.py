"""A job has the size that was asked for if its ranks' marks say so; what is expected may depend on the launcher."""

from __future__ import annotations

from pathlib import Path

import pytest

from hangprobe.cli.jobs import Job, Start, check_size, real_nodes, start_of
from hangprobe.errors.base import UnknownName, UsageError
from hangprobe.errors.jobs import FolderUnseen, LauncherMismatch, NodesRefused
from hangprobe.launch.environments import Environment
from hangprobe.launch.flavours import Flavour
from hangprobe.model import Launcher, Verdict
from hangprobe.programs import load

START = Start(Environment(Flavour("/opt/mpiexec", Launcher.HYDRA), "/env/python"), 3, 1)


def marked(folder: Path, **starts: int) -> Path:
    """Write the marks of ranks that have started so many times."""
    for rank, times in starts.items():
        lines = [f"{time}.0 {4000 + time} start\n{time}.5 {5000 + time} blocking\n" for time in range(times)]
        (folder / f"rank-{rank.removeprefix('r')}.marks").write_text("".join(lines))
    return folder


def test_job_whose_ranks_all_began_is_right(tmp_path: Path) -> None:
    check_size(marked(tmp_path, r0=1, r1=1, r2=1), START)


def test_job_without_ranks_was_started_by_no_launcher(tmp_path: Path) -> None:
    with pytest.raises(LauncherMismatch, match="0 of 3 ranks seen: /opt/mpiexec is no MPI launcher"):
        check_size(tmp_path, START)


def test_many_starts_of_rank_zero_are_many_jobs(tmp_path: Path) -> None:
    with pytest.raises(LauncherMismatch, match="3 jobs of one rank instead of one of 3"):
        check_size(marked(tmp_path, r0=3), START)


def test_missing_rank_is_counted(tmp_path: Path) -> None:
    with pytest.raises(LauncherMismatch, match="2 of 3 ranks seen"):
        check_size(marked(tmp_path, r0=1, r2=1), START)


def test_mpi_and_launcher_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="--mpi and --mpiexec exclude each other"):
        start_of("mpich", "mpiexec", 4, 1)


def test_unknown_mpi_is_named_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="known: mpich, openmpi, impi"):
        start_of("lam", None, 4, 1)


def test_every_node_needs_a_rank() -> None:
    with pytest.raises(UsageError, match="--nodes 5 is more than --ranks 4"):
        start_of(None, None, 4, 5)


def test_launcher_that_cannot_pretend_nodes_is_refused() -> None:
    with pytest.raises(NodesRefused, match="this one is none"):
        start_of(None, "true", 4, 2)


def test_pretended_nodes_share_the_ranks_evenly(tmp_path: Path) -> None:
    job = next(iter(load().values()))
    start = Start(START.environment, 5, 2)
    line = start.command_line(Job(job, job.variant(None), None, 1), tmp_path, tmp_path)
    assert line.arguments[:7] == (
        *("/opt/mpiexec", "-launcher", "fork", "-hosts", "pretended01,pretended02"),
        *("-ppn", "3"),
    )


ALLOCATION = {"HANGPROBE_HOSTS": "node[01-04]"}


@pytest.mark.parametrize(
    ("nodes", "hosts", "variables", "found"),
    [
        (None, None, ALLOCATION, ()),
        (3, None, {}, ()),
        (3, None, ALLOCATION, ("node01", "node02", "node03")),
        (1, None, ALLOCATION, ("node01",)),
        (None, "node9,a", ALLOCATION, ("a", "node9")),
        (1, "node[7-9]", {}, ("node7",)),
    ],
)
def test_real_nodes_are_named_or_offered(
    nodes: int | None, hosts: str | None, variables: dict[str, str], found: tuple[str, ...]
) -> None:
    assert real_nodes(nodes, hosts, variables) == found


def test_more_nodes_than_there_are_is_said_with_their_number() -> None:
    with pytest.raises(UsageError, match="--nodes 5, and this allocation has 4; --nodes 4, or less"):
        real_nodes(5, None, ALLOCATION)
    with pytest.raises(UsageError, match="--nodes 3, and --hosts has 2"):
        real_nodes(3, "a,b", ALLOCATION)


def test_node_that_would_stay_empty_is_refused() -> None:
    with pytest.raises(UsageError, match="--ranks 5 are 2 a node, and fill 3 of 4 nodes; --ranks 8, or --nodes 3"):
        start_of(None, None, 5, 4)


def test_real_nodes_need_no_launcher_that_pretends() -> None:
    start = start_of(None, "true", 4, 2, None, ALLOCATION)
    assert (start.hosts, start.nodes, start.is_pretended) == (("node01", "node02"), 2, False)


def test_ranks_on_real_nodes_get_what_they_need_to_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/lib")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    environment = Environment(Flavour("/opt/mpirun", Launcher.OPENMPI, "5.0.11"), "/env/python")
    job = next(iter(load().values()))
    start = Start(environment, 5, 2, ("a", "b"))
    line = start.command_line(Job(job, job.variant(None), None, 1), tmp_path, tmp_path, ("put", "before"))
    words = " ".join(line.arguments)
    assert "--map-by ppr:3:node:OVERSUBSCRIBE --bind-to none --host a:3,b:3 -x PATH -x HANGPROBE_JOB" in words
    assert " -x HANGPROBE_MARKS -x PYTHONPATH --" in words
    assert f" -n 5 put before /env/python {job.path}" in words
    assert "PRTE_MCA_prte_tmpdir_base" not in line.environment


def test_missing_ranks_on_real_nodes_may_not_have_seen_the_folder(tmp_path: Path) -> None:
    marked(tmp_path, r0=1)
    (tmp_path / "launcher.err").write_text("ssh: node02:\n no route\n")
    start = Start(START.environment, 3, 3, ("node01", "node02", "node03"))
    with pytest.raises(
        FolderUnseen, match=r"^1 of 3 ranks left marks.*\(the launcher said: ssh: node02: no route\).*--out"
    ):
        check_size(tmp_path, start)


def test_jobs_of_one_rank_on_real_nodes_do_not_fit_the_library(tmp_path: Path) -> None:
    with pytest.raises(LauncherMismatch):
        check_size(marked(tmp_path, r0=3), Start(START.environment, 3, 3, ("a", "b", "c")))


def test_what_hangs_may_depend_on_the_launcher() -> None:
    variant = load()["launcher_stdin"].variant("child")
    assert variant.under(Launcher.HYDRA).ranks(4) == variant.expected.ranks(4) == "1-3"
    assert variant.under(Launcher.INTEL) == variant.expected
    assert (variant.under(Launcher.OPENMPI).verdict, variant.under(Launcher.OPENMPI).ranks(4)) == (Verdict.HANG, "0")
