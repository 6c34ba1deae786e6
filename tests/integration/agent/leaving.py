"""An MPI job of which every rank leaves a process in a session of its own: `leaving.py STATUS`.

It lasts long enough for every node's observer to begin and to tell, on a busy machine too.
"""

from __future__ import annotations

import subprocess
import sys
from subprocess import DEVNULL


def main() -> int:
    """Leave a process behind, and end together."""
    from mpi4py import MPI

    command = ["sh", "-c", "setsid sleep 300 & exec sleep 3"]
    subprocess.run(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, check=True)
    MPI.COMM_WORLD.Barrier()
    MPI.Finalize()
    return int(sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
