"""Healthy: rank 0 computes while all other ranks wait for it in a barrier.

What it looks like: ranks 1 to N make no progress, inside MPI, while rank 0 proceeds.
Why it is not a hang: rank 0 comes to the barrier when it has computed. Nothing forks, and the rank test is meant.

Pattern of ranks: none hangs; every rank ends by itself, with exit status 0. There is nothing to cure.

How to run it:  mpiexec -n 4 python barrier_wait.py --seconds 4 </dev/null
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpi4py import MPI


def mark(rank: int, name: str) -> None:
    """Append a line to this rank's marks, if somebody watches; parent and child may both write."""
    if folder := os.environ.get("HANGPROBE_MARKS"):
        line = f"{time.clock_gettime(time.CLOCK_MONOTONIC):.6f} {os.getpid()} {name}\n"
        marks = os.open(f"{folder}/rank-{rank}.marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(marks, line.encode())
        os.close(marks)


def world() -> MPI.Intracomm:
    """Initialise MPI and return all its ranks."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        print(f"needs mpi4py and an MPI library ({error}): python -m pip install mpi4py mpich", file=sys.stderr)
        raise SystemExit(2) from None
    return MPI.COMM_WORLD


def seconds_asked() -> float:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, metavar="S", help="how long it looks hung (default: 4)")
    return float(parser.parse_args().seconds)


def compute(seconds: float) -> None:
    """Compute without a rest."""
    end, block = time.monotonic() + seconds, b""
    while time.monotonic() < end:
        block = hashlib.sha256(block * 1000).digest()


def main() -> None:
    """Compute on rank 0, meet all others in a barrier."""
    seconds = seconds_asked()
    comm = world()
    mark(comm.rank, "start")
    mark(comm.rank, "look-alike")
    if comm.rank == 0:
        compute(seconds)
        for rank in range(comm.size):  # the others cannot know when it ends
            mark(rank, "look-alike-ends")
    comm.Barrier()
    mark(comm.rank, "done")
    print(f"rank {comm.rank} done", flush=True)


if __name__ == "__main__":
    main()
