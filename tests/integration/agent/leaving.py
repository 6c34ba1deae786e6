"""An MPI job of which every rank leaves a process in a session of its own: `leaving.py STATUS`."""

from __future__ import annotations

import subprocess
import sys
from subprocess import DEVNULL


def main() -> int:
    """Leave a process behind, and end together."""
    from mpi4py import MPI

    command = ["sh", "-c", "setsid sleep 300 & exec sleep 1.5"]
    subprocess.run(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, check=True)
    MPI.COMM_WORLD.Barrier()
    MPI.Finalize()
    return int(sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
