"""Workloads that hang under no launcher: each ends by itself, and checks that it did what it says."""

from __future__ import annotations

import importlib
import multiprocessing
import subprocess
import sys
import time
from typing import Any

_SIZE = "from mpi4py import MPI; print(MPI.COMM_WORLD.allreduce(1))"


def noop(number: int) -> None:
    """Do nothing."""


def sleep(number: int, seconds: float = 1.0) -> None:
    """Sleep."""
    time.sleep(seconds)


def fork_pool(number: int, processes: int = 2) -> None:
    """Map a function over a pool of forked processes."""
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        if pool.map(abs, range(-8, 0)) != list(range(8, 0, -1)):
            raise AssertionError("the pool's results are wrong")


def bash(number: int) -> None:
    """Run what a bash_app runs in its worker: a function that returns a command line, by bash."""
    bash_app: Any = importlib.import_module("parsl.app.bash")

    def echo(**_: object) -> str:
        return f"echo task {number} >/dev/null"

    status = bash_app.remote_side_bash_executor(echo)
    if status != 0:
        raise AssertionError(f"the bash app ended with {status}")


def mpi_task(number: int, ranks: int = 2) -> None:
    """Start a small MPI job on this node, from PATH's mpiexec; it must be one job of this size.

    Needs mpi4py in the worker's environment.
    """
    words = [sys.executable, "-c", _SIZE]
    done = subprocess.run(
        ["mpiexec", "-n", str(ranks), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60, check=True
    )
    # two ranks' lines may come in pieces between each other
    if b"".join(done.stdout.split()) != str(ranks).encode() * ranks:
        raise AssertionError(f"not one job of {ranks} ranks: {done.stdout!r}")
