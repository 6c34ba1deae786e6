"""A child puts a large result on a queue and ends; its rank joins the child before it gets: every rank hangs.

Mechanism: Queue.put() of multiprocessing only hands its object to a feeder thread of the child, which writes it into a
pipe, and a process that has put something ends only when its feeder has written everything. A small result fits into
the pipe; this one does not. So the child waits for its feeder, the feeder waits in write() for somebody who reads, and
the only reader, the rank's main thread, waits for the child ("Joining processes that use queues" in the programming
guidelines of multiprocessing). The fork leaves no lock behind: a spawned child hangs as well.

Pattern of ranks: with four ranks hhhh (every rank hangs, no call of MPI is needed).

Cures (--mitigate): `get-before-join` takes the result off the queue first and joins the child then.

How to run it:  mpiexec -n 4 python queue_feeder.py </dev/null
                mpiexec -n 4 python queue_feeder.py --mitigate get-before-join </dev/null
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import time

MITIGATIONS = ("get-before-join",)
STEPS = 100_000  # about 900 kB when pickled; a pipe takes 64 KiB


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


def simulate(rank: int, results: multiprocessing.Queue[list[float]]) -> None:
    """Walk at random and send the whole path; runs in the child, which ends when the path is in the pipe."""
    generator = random.Random(rank)
    position, path = 0.0, []
    for _ in range(STEPS):
        position += generator.gauss(0, 1)
        path.append(position)
    results.put(path)
    mark(rank, "blocking")


def main() -> None:
    """Fork a child, wait for it, fetch what it found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mitigate", choices=MITIGATIONS, metavar="SLUG", help="one of: " + ", ".join(MITIGATIONS))
    cure = parser.parse_args().mitigate

    rank = mpi_rank()
    mark(rank, "start")
    multiprocessing.set_start_method("fork")
    results: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
    child = multiprocessing.Process(target=simulate, args=(rank, results))
    mark(rank, "forking")
    child.start()
    if cure == "get-before-join":
        path = results.get()
    mark(rank, "joining")
    child.join()
    if cure != "get-before-join":
        path = results.get()
    mark(rank, "done")
    print(f"rank {rank} done: the walk of {len(path)} steps ended at {path[-1]:.1f}", flush=True)


if __name__ == "__main__":
    main()
