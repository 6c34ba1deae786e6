"""An MPI rank that initialises, says so, and then sits there (a program under test)."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from mpi4py import MPI

MPI.COMM_WORLD.Barrier()
maps = Path("/proc/self/maps").read_text().split()
Path(sys.argv[1], f"segments-{MPI.COMM_WORLD.rank}.part").write_text("\n".join(w for w in maps if "/mpich_shm_" in w))
Path(sys.argv[1], f"segments-{MPI.COMM_WORLD.rank}.part").rename(Path(sys.argv[1], f"segments-{MPI.COMM_WORLD.rank}"))
time.sleep(600)
