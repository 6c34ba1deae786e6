"""Jobs of ranks that sit there, under the launchers that this machine has, and what they were started with."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hangprobe.context.values import LaunchContext
from hangprobe.launch.environments import of_mpi
from hangprobe.launch.mpijob import MpiJob
from hangprobe.launch.session import Capture, LaunchSpec, Session
from hangprobe.model import Launcher, ProcessId, RankView, Unreadable
from hangprobe.observe.context.read import read_contexts
from hangprobe.observe.reader import Reader

PROGRAM = str(Path(__file__).parent / "programs" / "started.py")
HOST = "here"
LIMIT_S = 60.0
SECRET = "hushhush"


@contextmanager
def job(folder: Path, command: tuple[str, ...], environment: Mapping[str, str], ranks: int) -> Iterator[list[int]]:
    """Yield the pids of a job's ranks once all of them have spoken; end it."""
    folder.mkdir(exist_ok=True)
    capture = Capture(folder / "out", folder / "err")
    added = {**environment, "AWS_SECRET_ACCESS_KEY": SECRET, "LD_PRELOAD": "", "PYTHONPATH": f"https://me:{SECRET}@x/"}
    with Session(LaunchSpec(command, f"{os.getpid()}-{folder}", added, cwd=folder, capture=capture)) as session:
        told = [folder / f"rank-{rank}" for rank in range(ranks)]
        deadline = time.monotonic() + LIMIT_S
        while not all(map(Path.exists, told)):
            assert session.poll() is None, (folder / "err").read_text()
            assert time.monotonic() < deadline, "not all ranks have spoken"
            time.sleep(0.01)
        yield [int(file.read_text()) for file in told]


def of_ranks(launcher: Launcher, pids: list[int]) -> dict[int, LaunchContext]:
    """Return what ranks were started with."""
    reader = Reader()
    views: list[RankView] = []
    for rank, pid in enumerate(pids):
        stat = reader.stat(pid)
        assert not isinstance(stat, Unreadable)
        assert stat.start_time is not None
        process = ProcessId(HOST, pid, stat.start_time)
        views.append(RankView(rank, launcher, process, process, (process,)))
    return read_contexts(reader, HOST, views)


def under_mpi(mpi: str, folder: Path, *changes: str, ranks: int = 4) -> dict[int, LaunchContext]:
    """Return what the ranks of a job were started with under an MPI."""
    environment = of_mpi(mpi)
    line = environment.flavour.command_line(MpiJob(ranks, (environment.python, PROGRAM, str(folder), *changes)))
    with job(folder, line.arguments, line.environment, ranks) as pids:
        return of_ranks(environment.flavour.launcher, pids)


def under_parallel(parallel: str, folder: Path, ranks: int = 4) -> dict[int, LaunchContext]:
    """Return what the jobs of GNU parallel were started with."""
    numbers = map(str, range(ranks))
    program = f"STARTED_RANK={{}} exec {sys.executable} {PROGRAM} {folder}"
    command = (parallel, "--will-cite", "--jobs", str(ranks), program, ":::", *numbers)
    home = {"HOME": str(folder), "PARALLEL_HOME": str(folder)}
    with job(folder, command, home, ranks) as pids:
        return of_ranks(Launcher.GNU_PARALLEL, pids)


def unpacked_parallel(folder: Path) -> str | None:
    """Return a GNU parallel unpacked from Debian's package; None if it cannot be had."""
    words = (["apt-get", "download", "parallel"], ["sh", "-c", "dpkg -x parallel_*.deb ."])
    try:
        for command in words:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return str(folder / "usr/bin/parallel")
