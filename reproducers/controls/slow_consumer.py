"""Healthy: a child's large result waits in the queue while the rank's main thread is busy elsewhere.

What it looks like: the child waits for its feeder thread, and the feeder waits in write() on a full pipe, exactly as
when a rank joins such a child before it gets.
Why it is not a hang: the main thread sleeps, then gets the result, and joins the child only after that.

Pattern of ranks: none hangs; every rank ends by itself, with exit status 0. There is nothing to cure.

How to run it:  mpiexec -n 4 python slow_consumer.py --seconds 4 </dev/null
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time

SIZE = 1 << 20  # bytes; more than a pipe takes


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


def seconds_asked() -> float:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, metavar="S", help="how long it looks hung (default: 4)")
    return float(parser.parse_args().seconds)


def produce(rank: int, results: multiprocessing.Queue[bytes]) -> None:
    """Send a large result; runs in the child, which ends when the result is in the pipe."""
    results.put(bytes(SIZE))
    mark(rank, "look-alike")


def main() -> None:
    """Fork a child, be busy elsewhere, fetch its result and wait for it."""
    seconds = seconds_asked()
    rank = mpi_rank()
    mark(rank, "start")
    multiprocessing.set_start_method("fork")
    results: multiprocessing.Queue[bytes] = multiprocessing.Queue()
    child = multiprocessing.Process(target=produce, args=(rank, results))
    mark(rank, "forking")
    child.start()
    time.sleep(seconds)
    mark(rank, "look-alike-ends")
    result = results.get()
    mark(rank, "joining")
    child.join()
    mark(rank, "done")
    print(f"rank {rank} done: {len(result)} bytes", flush=True)


if __name__ == "__main__":
    main()
