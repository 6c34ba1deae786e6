"""A healthy job for `scripts/bench faults`: ranks reduce and fork for some seconds, and end with a status of their own.

usage: mpiexec ... python faults_job.py SECONDS STATUS
"""

from __future__ import annotations

import os
import sys
import time


def main() -> int:
    """Work until the time is over, together."""
    from mpi4py import MPI  # not above: whoever imports this file would be in MPI too

    comm = MPI.COMM_WORLD
    with open(f"{os.environ['HANGPROBE_MARKS']}/rank-{comm.rank}.marks", "a") as marks:
        marks.write(f"{time.monotonic():.6f} {os.getpid()} start\n")
    until_s = time.monotonic() + float(sys.argv[1])
    while comm.allreduce(int(time.monotonic() < until_s), MPI.MIN):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        time.sleep(0.01)
    MPI.Finalize()
    return int(sys.argv[2])


if __name__ == "__main__":
    sys.exit(main())
