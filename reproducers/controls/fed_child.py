"""Healthy: a forked child reads a pipe on its standard input; its rank sleeps, then feeds it and closes the pipe.

What it looks like: a child waits for its standard input, a pipe into which nobody has written a byte, as one that reads
what a launcher gave to its rank.
Why it is not a hang: the pipe is the rank's own, and the main thread, which sleeps meanwhile, writes at the end.

Pattern of ranks: none hangs; every rank ends by itself, with exit status 0. There is nothing to cure.

How to run it:  mpiexec -n 4 python fed_child.py --seconds 4 </dev/null
"""

from __future__ import annotations

import argparse
import os
import sys
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


def read_all(rank: int, received: int, feed: int) -> None:
    """Take the pipe for the standard input and read it to its end; runs in the child."""
    os.close(feed)  # or the end never comes
    os.dup2(received, 0)
    os.close(received)
    mark(rank, "look-alike")
    words = sys.stdin.read().split()
    print(f"rank {rank} child was fed {len(words)} words", flush=True)


def main() -> None:
    """Fork a child, sleep, feed it, wait for it."""
    seconds = seconds_asked()
    rank = mpi_rank()
    mark(rank, "start")
    received, feed = os.pipe()
    mark(rank, "forking")
    child = os.fork()
    if child == 0:
        read_all(rank, received, feed)
        os._exit(0)  # a forked child must not run MPI_Finalize
    os.close(received)
    time.sleep(seconds)
    mark(rank, "look-alike-ends")
    os.write(feed, b"all that it needs")
    os.close(feed)
    mark(rank, "joining")
    _, status = os.waitpid(child, 0)
    if status:
        raise SystemExit(f"rank {rank}: the child failed: {status}")
    mark(rank, "done")
    print(f"rank {rank} done", flush=True)


if __name__ == "__main__":
    main()
