"""Healthy: a worker holds a lock that processes share and works; a second worker waits for it, the rank for both.

What it looks like: the main thread waits for a worker that waits, without a time-out, for a shared semaphore, as after
the death of its holder; the first worker does nothing but sleep most of the time.
Why it is not a hang: the first worker lives, and releases the lock when its work is done.

Pattern of ranks: none hangs; every rank ends by itself, with exit status 0. There is nothing to cure.

How to run it:  mpiexec -n 4 python late_release.py --seconds 4 </dev/null
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import multiprocessing.synchronize
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


def work(
    rank: int,
    lock: multiprocessing.synchronize.Lock,
    begun: multiprocessing.synchronize.Event,
    seconds: float,
) -> None:
    """Work under the lock, with a short rest now and then; the first worker."""
    with lock:
        begun.set()
        end, block = time.monotonic() + seconds, b""
        while time.monotonic() < end:
            block = hashlib.sha256(block * 10000).digest()
            time.sleep(0.01)
        mark(rank, "look-alike-ends")


def follow(rank: int, lock: multiprocessing.synchronize.Lock) -> None:
    """Take the lock for a moment; the second worker."""
    mark(rank, "look-alike")
    with lock:
        pass


def main() -> None:
    """Start two workers that need the same lock, wait for both."""
    seconds = seconds_asked()
    rank = mpi_rank()
    mark(rank, "start")
    multiprocessing.set_start_method("fork")
    lock, begun = multiprocessing.Lock(), multiprocessing.Event()
    first = multiprocessing.Process(target=work, args=(rank, lock, begun, seconds))
    second = multiprocessing.Process(target=follow, args=(rank, lock))
    mark(rank, "forking")
    first.start()
    begun.wait()
    second.start()
    mark(rank, "joining")
    second.join()
    first.join()
    mark(rank, "done")
    print(f"rank {rank} done", flush=True)


if __name__ == "__main__":
    main()
