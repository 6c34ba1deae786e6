"""A job has the size that was asked for if its ranks' marks say so; what is expected may depend on the launcher."""

from __future__ import annotations

from pathlib import Path

import pytest

from hangprobe.cli.jobs import Job, Start, check_size, start_of
from hangprobe.errors import LauncherMismatch, NodesRefused, UnknownName, UsageError
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


def test_what_hangs_may_depend_on_the_launcher() -> None:
    variant = load()["launcher_stdin"].variant("child")
    assert variant.under(Launcher.HYDRA).ranks(4) == variant.expected.ranks(4) == "1-3"
    assert variant.under(Launcher.INTEL) == variant.expected
    assert (variant.under(Launcher.OPENMPI).verdict, variant.under(Launcher.OPENMPI).ranks(4)) == (Verdict.HANG, "0")
