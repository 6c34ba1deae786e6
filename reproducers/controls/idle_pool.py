"""Healthy: a multiprocessing.Pool has nothing to do while the rank's main thread sleeps.

What it looks like: forked workers wait without a time-out, one for a task (a pipe), one for its turn to wait (a shared
semaphore), and threads of the parent wait for them.
Why it is not a hang: the main thread gives them work later, and closes the pool.

Pattern of ranks: none hangs; every rank ends by itself, with exit status 0. There is nothing to cure.

How to run it:  mpiexec -n 4 python idle_pool.py --seconds 4 </dev/null
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
import time


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


def main() -> None:
    """Leave a pool alone for a while, then use and close it."""
    seconds = seconds_asked()
    rank = mpi_rank()
    mark(rank, "start")
    multiprocessing.set_start_method("fork")
    mark(rank, "forking")
    pool = multiprocessing.Pool(2)
    mark(rank, "look-alike")
    time.sleep(seconds)
    mark(rank, "look-alike-ends")
    results = pool.map(math.factorial, range(20))
    pool.close()
    pool.join()
    mark(rank, "done")
    print(f"rank {rank} done: {len(results)} results", flush=True)


if __name__ == "__main__":
    main()
