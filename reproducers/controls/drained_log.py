"""Healthy: a thread with the log's lock and a forked child both wait for a full pipe; a relay comes late and drains it.

What it looks like: a thread sits in write() under a lock, nobody reads the pipe, a child that was forked meanwhile
waits as well, and the main thread waits for the child: a log over a pipe that nobody drains.
Why it is not a hang: the lock is made new in every child, so the child waits for the pipe only; and the relay, another
child, sleeps and then drains the pipe to its end.

Pattern of ranks: none hangs; every rank ends by itself, with exit status 0. There is nothing to cure.

How to run it:  mpiexec -n 4 python drained_log.py --seconds 4 </dev/null
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import threading
import time

SETTLE_S = 0.3  # from the first record to the fork
STEPS = 512
RECORD = 4096  # bytes: PIPE_BUF, so records never mix. All of them are 2 MiB, twice what the largest usual pipe takes

lock = threading.Lock()
os.register_at_fork(after_in_child=lock._at_fork_reinit)  # type: ignore[attr-defined]  # not in typeshed


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


def log(write_end: int, text: str) -> None:
    """Write one record, under the lock."""
    with lock:
        os.write(write_end, text.encode().ljust(RECORD - 1) + b"\n")


def solve(write_end: int) -> None:
    """Log every step; runs in a thread."""
    for step in range(STEPS):
        log(write_end, f"step {step}")


def relay(rank: int, read_end: int, write_end: int, seconds: float) -> None:
    """Come late, then read the log to its end; a child."""
    os.close(write_end)  # or the end never comes
    time.sleep(seconds)
    mark(rank, "look-alike-ends")
    with open(read_end, "rb") as received:
        print(f"rank {rank} relay has {sum(1 for _ in received)} records", flush=True)


def analyse(rank: int, write_end: int) -> None:
    """Log that the analysis begins; another child."""
    mark(rank, "look-alike")
    log(write_end, "analysis begins")


def main() -> None:
    """Start a relay, log from a thread and from a child, wait for all."""
    seconds = seconds_asked()
    rank = mpi_rank()
    mark(rank, "start")
    multiprocessing.set_start_method("fork")
    read_end, write_end = os.pipe()
    reader = multiprocessing.Process(target=relay, args=(rank, read_end, write_end, seconds + SETTLE_S))
    solver = threading.Thread(target=solve, args=(write_end,), name="solver")
    child = multiprocessing.Process(target=analyse, args=(rank, write_end))
    mark(rank, "forking")
    reader.start()
    os.close(read_end)
    solver.start()
    time.sleep(SETTLE_S)
    child.start()
    mark(rank, "joining")
    child.join()
    solver.join()
    os.close(write_end)
    reader.join()
    mark(rank, "done")
    print(f"rank {rank} done", flush=True)


if __name__ == "__main__":
    main()
