"""Ranks that take one lock after the other, on a file that all nodes see; rank 0 is first, and keeps it for a while.

usage: mpiexec ... python locks_elsewhere.py FILE SECONDS|in-mpi
"""

from __future__ import annotations

import fcntl
import sys
import time

from mpi4py import MPI


def main() -> None:
    """Take the lock, and give it back: rank 0 once it has slept, or once all others have come to a barrier."""
    comm = MPI.COMM_WORLD
    with open(sys.argv[1], "w") as file:
        if comm.rank == 0:
            fcntl.flock(file, fcntl.LOCK_EX)
        comm.Barrier()
        if comm.rank:
            fcntl.flock(file, fcntl.LOCK_EX)
        elif sys.argv[2] == "in-mpi":
            comm.Barrier()
        else:
            time.sleep(float(sys.argv[2]))
        fcntl.flock(file, fcntl.LOCK_UN)
    comm.Barrier()


if __name__ == "__main__":
    main()
