"""Healthy: a rank and its forked child both run OpenMP regions, and one thread of the child's team takes its time.

What it looks like: the child's main thread waits inside libgomp for its team, exactly as if the fork had lost the team.
Why it is not a hang: the rank let the library end its threads before the fork (omp_pause_resource_all), so the child's
library started a team of its own, and the thread that it waits for is alive.

Pattern of ranks: none hangs; every rank ends by itself, with exit status 0. There is nothing to cure.

How to run it:  mpiexec -n 4 python openmp_child.py --seconds 4 </dev/null
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from functools import cache

THREADS = 4
PAUSE_SOFT = 1  # omp_pause_soft of <omp.h>


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


@cache
def openmp() -> ctypes.CDLL:
    """Load GNU's OpenMP library; a forked child has it as the fork left it."""
    try:
        return ctypes.CDLL("libgomp.so.1")
    except OSError:
        found = ctypes.util.find_library("gomp")
    if found is None:
        print("needs GNU's OpenMP library, libgomp.so.1: package libgomp1 of Debian and Ubuntu", file=sys.stderr)
        raise SystemExit(2)
    return ctypes.CDLL(found)


def pause() -> None:
    """Let the library end its threads; the next region starts new ones."""
    if not hasattr(openmp(), "omp_pause_resource_all"):
        raise SystemExit("needs the libgomp of GCC 9 or newer")
    if openmp().omp_pause_resource_all(PAUSE_SOFT):
        raise SystemExit("libgomp refuses to end its threads")


def run_region(body: Callable[[int], None]) -> None:
    """Run a region: each thread of the team calls `body` with its number."""

    def region(_: int | None) -> None:
        body(openmp().omp_get_thread_num())

    # What a compiler makes of `#pragma omp parallel num_threads(THREADS)`.
    openmp().GOMP_parallel(ctypes.CFUNCTYPE(None, ctypes.c_void_p)(region), None, THREADS, 0)


def work(rank: int, seconds: float) -> None:
    """Run a region in which the last thread is slow; runs in the child."""

    def body(thread: int) -> None:
        if thread == THREADS - 1:
            mark(rank, "look-alike")
            time.sleep(seconds)
            mark(rank, "look-alike-ends")

    run_region(body)


def main() -> None:
    """Run a region, fork a child that runs one too, wait for it, run another."""
    seconds = seconds_asked()
    openmp()
    rank = mpi_rank()
    mark(rank, "start")
    sums = [0] * THREADS

    def add(thread: int) -> None:
        sums[thread] += sum(range(thread, 1000, THREADS))

    run_region(add)
    pause()
    multiprocessing.set_start_method("fork")
    child = multiprocessing.Process(target=work, args=(rank, seconds))
    mark(rank, "forking")
    child.start()
    mark(rank, "joining")
    child.join()
    if child.exitcode:
        raise SystemExit(f"rank {rank}: the child failed with status {child.exitcode}")
    run_region(add)
    mark(rank, "done")
    print(f"rank {rank} done: {sum(sums)}", flush=True)


if __name__ == "__main__":
    main()
