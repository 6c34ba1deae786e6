"""The job of `wrapper`: a fixed number of allreduces with rests between, and what that took, said by rank 0."""

from __future__ import annotations

import sys
import time

from mpi4py import MPI

REST_S = 0.005


def main(rounds: int) -> None:
    """Do the work."""
    comm = MPI.COMM_WORLD
    comm.Barrier()
    began_s = time.monotonic()
    for _ in range(rounds):
        time.sleep(REST_S)
        comm.allreduce(1)
    if comm.rank == 0:
        print(time.monotonic() - began_s)


if __name__ == "__main__":
    main(int(sys.argv[1]))
