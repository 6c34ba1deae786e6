"""Healthy: the rank's main thread waits in result(), without a time-out, for tasks of an executor that take their time.

What it looks like: the main thread waits for a Python lock, and forked workers sleep.
Why it is not a hang: the tasks end, and a thread of the executor hands their results over.

Pattern of ranks: none hangs; every rank ends by itself, with exit status 0. There is nothing to cure.

How to run it:  mpiexec -n 4 python busy_executor.py --seconds 4 </dev/null
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

WORKERS = 2


def mark(rank: int, name: str) -> None:
    """Append a line to this rank's marks, if somebody watches; parent and child may both write."""
    if folder := os.environ.get("HANGPROBE_MARKS"):
        line = f"{time.clock_gettime(time.CLOCK_MONOTONIC):.6f} {os.getpid()} {name}\n"
        marks = os.open(f"{folder}/rank-{rank}.marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(marks, line.encode())
        os.close(marks)


def mpi_rank() -> int:
    """Initialise MPI and return the rank."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        print(f"needs mpi4py and an MPI library ({error}): python -m pip install mpi4py mpich", file=sys.stderr)
        raise SystemExit(2) from None
    return MPI.COMM_WORLD.Get_rank()


def seconds_asked() -> float:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, metavar="S", help="how long it looks hung (default: 4)")
    return float(parser.parse_args().seconds)


def work(rank: int, seconds: float) -> float:
    """Wait for a slow instrument; runs in a worker."""
    mark(rank, "look-alike")
    time.sleep(seconds)
    mark(rank, "look-alike-ends")
    return seconds


def main() -> None:
    """Keep every worker busy once, wait for the results."""
    seconds = seconds_asked()
    rank = mpi_rank()
    mark(rank, "start")
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("fork")) as executor:
        mark(rank, "forking")
        futures = [executor.submit(work, rank, seconds) for _ in range(WORKERS)]
        mark(rank, "joining")
        results = [future.result() for future in futures]
    mark(rank, "done")
    print(f"rank {rank} done: {len(results)} results", flush=True)


if __name__ == "__main__":
    main()
