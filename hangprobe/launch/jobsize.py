"""Whether a launcher and an MPI library fit: a tiny job in which every rank says how large it thinks the job is.

A launcher that does not match the library silently starts N jobs of size 1, and a reproducer then shows nothing.
"""

from __future__ import annotations

import os
import select
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from hangprobe.launch.flavours import Flavour
from hangprobe.launch.mpijob import MpiJob
from hangprobe.launch.session import Capture, LaunchSpec, Session
from hangprobe.model import Launcher

LIMIT_S = 30.0
_PROGRAM = """
from mpi4py import MPI
comm = MPI.COMM_WORLD
library = " ".join(MPI.Get_library_version().split())
print(f"hangprobe-size {comm.rank} {comm.size} {library[:100]}\\n", end="", flush=True)
"""
_LIBRARIES = (
    ("Intel(R) MPI", Launcher.INTEL),
    ("Open MPI", Launcher.OPENMPI),
    ("CRAY MPICH", Launcher.PALS),
    ("MPICH", Launcher.HYDRA),
)


@dataclass(frozen=True, slots=True)
class JobSize:
    """What the ranks of a tiny job said."""

    asked: int
    sizes: tuple[int, ...]
    """The size of COMM_WORLD as each process that started saw it, by rank."""
    library: str
    """What the MPI library says of itself, shortened; empty if no rank spoke."""
    problem: str | None
    """Why the job is not what was asked for, with the launcher's last words; None if it is."""

    @property
    def is_right(self) -> bool:
        """Whether the job had the size asked for."""
        return self.problem is None


def job_size(flavour: Flavour, python: str, ranks: int = 2, limit_s: float = LIMIT_S) -> JobSize:
    """Start a tiny job with this launcher and this Python's mpi4py, and return the size it had; nothing is left.

    Raises CommandNotStarted.
    """
    with tempfile.TemporaryDirectory(prefix="hangprobe-size-") as name:
        folder = Path(name)
        line = flavour.command_line(MpiJob(ranks, (python, "-c", _PROGRAM), scratch=folder))
        spec = LaunchSpec(
            line.arguments,
            tag=f"size-{os.getpid()}-{time.monotonic_ns()}",
            environment=line.unset(os.environ),
            capture=Capture(folder / "out", folder / "err"),
        )
        status = _run(spec, limit_s)
        said = (folder / "out").read_text(errors="replace")
        words = " ".join((folder / "err").read_text(errors="replace").split())
    return size_said(said, ranks, status, words, limit_s)


def size_said(said: str, asked: int, status: int | None, words: str, limit_s: float = LIMIT_S) -> JobSize:
    """Return what a tiny job's output means; a status of None says that it had to be ended."""
    rows = [line.split(None, 3) for line in said.splitlines() if line.startswith("hangprobe-size ")]
    sizes = tuple(int(size) for _, _, size, *_ in sorted(rows, key=lambda row: int(row[1])))
    library = rows[0][3] if rows and len(rows[0]) > 3 else ""
    problem: str | None = None
    if len(sizes) == asked and set(sizes) == {1} != {asked}:
        problem = f"{asked} jobs of one rank instead of one of {asked}: the launcher does not fit the MPI library"
        return JobSize(asked, sizes, library, problem)
    if status is None:
        problem = f"the job did not end within {limit_s:g} s"
    elif sizes != (asked,) * asked:
        problem = f"{len(sizes)} of {asked} ranks spoke"
    elif status != 0:
        problem = f"the job ended with status {status}"
    if problem is not None and words:
        problem += f" ({words[-300:]})"
    return JobSize(asked, sizes, library, problem)


def library_of(text: str) -> Launcher:
    """Return the launcher that belongs to an MPI library, by what the library says of itself."""
    return next((launcher for mark, launcher in _LIBRARIES if mark in text), Launcher.NONE)


def _run(spec: LaunchSpec, limit_s: float) -> int | None:
    deadline_s = time.monotonic() + limit_s
    with Session(spec) as session:
        poller = select.poll()
        poller.register(session, select.POLLIN)
        while (ended := session.poll()) is None:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return None
            poller.poll(1000 * left_s)
    return ended.status
