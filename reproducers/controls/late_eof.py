"""Healthy: a worker reads its input until it ends; another worker has the write end open too, and ends after a while.

What it looks like: the rank closed the pipe and waits for the first worker, which waits for an end of file that cannot
come, because a worker that was forked later inherited the write end.
Why it is not a hang: that later worker sleeps, and then ends; the kernel closes its copy of the write end.

Pattern of ranks: none hangs; every rank ends by itself, with exit status 0. There is nothing to cure.

How to run it:  mpiexec -n 4 python late_eof.py --seconds 4 </dev/null
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable


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


def read_all(rank: int, read_end: int, write_end: int) -> None:
    """Read the input until it ends; runs in the first worker."""
    os.close(write_end)
    mark(rank, "look-alike")
    with open(read_end, "rb") as numbers:
        numbers.read()


def rest(rank: int, seconds: float) -> None:
    """Sleep, with the pipe open and unused; runs in the second worker."""
    time.sleep(seconds)
    mark(rank, "look-alike-ends")


def start_worker(task: Callable[[], None]) -> int:
    """Fork a worker for one task; return its pid."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            task()
            status = 0
        finally:
            os._exit(status)
    return pid


def main() -> None:
    """Start two workers, give the first its input, wait for both."""
    seconds = seconds_asked()
    rank = mpi_rank()
    mark(rank, "start")
    mark(rank, "forking")
    read_end, write_end = os.pipe()
    reader = start_worker(lambda: read_all(rank, read_end, write_end))
    sleeper = start_worker(lambda: rest(rank, seconds))
    os.close(read_end)
    with open(write_end, "w") as numbers:
        numbers.writelines(f"{number}\n" for number in range(1000))
    mark(rank, "joining")
    for pid in (reader, sleeper):
        _, status = os.waitpid(pid, 0)
        if status:
            raise SystemExit(f"rank {rank}: a worker failed with status {status}")
    mark(rank, "done")
    print(f"rank {rank} done", flush=True)


if __name__ == "__main__":
    main()
