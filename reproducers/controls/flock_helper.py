"""Healthy: rank 0's forked helper inherited a file lock and works under it; all other ranks wait for the lock.

What it looks like: ranks 1 to N wait for a lock that rank 0 took, and that a child of it keeps since the fork, while
rank 0 itself has closed the file: exactly a lock that leaked into a helper.
Why it is not a hang: the helper was given the lock on purpose; it works, ends, and the lock goes with it.

Pattern of ranks: none hangs; every rank ends by itself, with exit status 0. There is nothing to cure.

How to run it:  mpiexec -n 4 python flock_helper.py --seconds 4 </dev/null
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
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


def tidy(seconds: float, ranks: int) -> None:
    """Tidy up what the file describes, with a short rest now and then, under the lock; rank 0's helper."""
    end, block = time.monotonic() + seconds, b""
    while time.monotonic() < end:
        block = hashlib.sha256(block * 10000).digest()
        time.sleep(0.01)
    for rank in range(ranks):  # the others cannot know when it ends
        mark(rank, "look-alike-ends")


def share(comm: MPI.Intracomm, path: Path, seconds: float) -> None:
    """Lock the file, leave it to a helper, and let the others come."""
    helper = multiprocessing.Process(target=tidy, args=(seconds, comm.size))
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        mark(comm.rank, "forking")
        helper.start()
    comm.bcast(path, root=0)
    mark(comm.rank, "look-alike")
    mark(comm.rank, "joining")
    helper.join()


def follow(comm: MPI.Intracomm) -> None:
    """Wait for the lock, as any other rank does."""
    path: Path = comm.bcast(None, root=0)
    with path.open("ab") as file:
        mark(comm.rank, "look-alike")
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"rank {comm.rank} was here\n".encode())


def main() -> None:
    """Use one file after the other, rank 0's helper first."""
    seconds = seconds_asked()
    comm = world()
    mark(comm.rank, "start")
    multiprocessing.set_start_method("fork")
    if comm.rank == 0:
        with tempfile.TemporaryDirectory(prefix="shared-") as folder:
            share(comm, Path(folder, "file"), seconds)
            comm.Barrier()  # the others are done with the file
    else:
        follow(comm)
        comm.Barrier()
    mark(comm.rank, "done")
    print(f"rank {comm.rank} done", flush=True)


if __name__ == "__main__":
    main()
