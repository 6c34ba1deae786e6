"""A real hang that no fork causes: a forked child makes a lock of its own and takes it twice.

Mechanism: from outside it looks like a fork under a lock (a forked child waits for a Python lock that no running thread
released). But the lock is younger than the fork: no thread of the parent ever held it, and the child holds it itself.

Pattern of ranks: with four ranks hhhh (every rank hangs, for ever; there is nothing to wait for).

Cures: none by a start method: spawn hangs as well. The program is wrong; an RLock, or one `with` less, cures it.

How to run it:  mpiexec -n 4 python self_deadlock.py </dev/null
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import threading
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


def update_twice(rank: int) -> None:
    """Take a lock, and take it again inside; runs in the child."""
    lock = threading.Lock()
    with lock:
        mark(rank, "blocking")
        with lock:
            mark(rank, "acquired")


def main() -> None:
    """Fork a child that is wrong, wait for it."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    rank = mpi_rank()
    mark(rank, "start")
    multiprocessing.set_start_method("fork")
    child = multiprocessing.Process(target=update_twice, args=(rank,))
    mark(rank, "forking")
    child.start()
    mark(rank, "joining")
    child.join()
    mark(rank, "done")
    print(f"rank {rank} done", flush=True)


if __name__ == "__main__":
    main()
