"""Healthy: the main thread joins a child that is parked for ever; a Timer terminates the child after a while.

What it looks like: the main thread waits for its child without a time-out, the child waits for a Python lock that no
thread of it holds, and neither catches a signal: in all but one thing a fork under a lock.
Why it is not a hang: a threading.Timer of the parent sleeps, and will terminate the child.

Pattern of ranks: none hangs; every rank ends by itself, with exit status 0. There is nothing to cure.

How to run it:  mpiexec -n 4 python timer_terminates.py --seconds 4 </dev/null
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


def seconds_asked() -> float:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, metavar="S", help="how long it looks hung (default: 4)")
    return float(parser.parse_args().seconds)


def park(rank: int) -> None:
    """Be at hand until the parent terminates this child."""
    mark(rank, "look-alike")
    threading.Event().wait()


def end(rank: int, child: multiprocessing.Process) -> None:
    """Terminate the child; runs in the timer's thread."""
    mark(rank, "look-alike-ends")
    child.terminate()


def main() -> None:
    """Fork a child that waits for ever, set a timer to end it, wait for it."""
    seconds = seconds_asked()
    rank = mpi_rank()
    mark(rank, "start")
    multiprocessing.set_start_method("fork")
    child = multiprocessing.Process(target=park, args=(rank,))
    mark(rank, "forking")
    child.start()
    threading.Timer(seconds, end, (rank, child)).start()
    mark(rank, "joining")
    child.join()
    mark(rank, "done")
    print(f"rank {rank} done", flush=True)


if __name__ == "__main__":
    main()
