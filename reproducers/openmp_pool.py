"""A rank runs an OpenMP region, forks, and the child runs one too: the child waits for threads that do not exist there.

Mechanism: GNU's OpenMP library keeps the threads of a parallel region for the next one. A fork copies the library's
list of these threads, but not the threads: the child's first region wakes nobody and waits for its team for ever, and
the rank's main thread waits for the child. What the compiler makes of `#pragma omp parallel` is called here by ctypes,
as any compiled extension would. --variant says who runs a region before the fork; no line around the fork asks:

  workers    rank 0 only distributes: its share is empty, so it has no team when it forks
  all-ranks  rank 0 takes a share of the work like all others

Pattern of ranks: with four ranks Dhhh (workers: rank 0 is done and waits in MPI_Finalize) or hhhh (all-ranks).

Cures (--mitigate): `omp-pause` lets the library end its threads before the fork (omp_pause_resource_all, OpenMP 5.0);
`omp-one-thread` runs all regions with one thread, as OMP_NUM_THREADS=1 does; `spawn` and `forkserver` start the child
in a fresh interpreter, whose library starts its own threads.

How to run it:  mpiexec -n 4 python openmp_pool.py --variant all-ranks </dev/null
                mpiexec -n 4 python openmp_pool.py --variant all-ranks --mitigate omp-pause </dev/null
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpi4py import MPI

VARIANTS = ("workers", "all-ranks")
MITIGATIONS = ("omp-pause", "omp-one-thread", "spawn", "forkserver")
THREADS = 4
SAMPLES = 40_000
PAUSE_SOFT = 1  # omp_pause_soft of <omp.h>


def mark(rank: int, name: str) -> None:
    """Append a line to this rank's marks, if somebody watches; parent and child may both write."""
    if folder := os.environ.get("HANGPROBE_MARKS"):
        line = f"{time.clock_gettime(time.CLOCK_MONOTONIC):.6f} {os.getpid()} {name}\n"
        marks = os.open(f"{folder}/rank-{rank}.marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(marks, line.encode())
        os.close(marks)


@cache
def openmp() -> ctypes.CDLL:
    """Load GNU's OpenMP library: a forked child has it as the fork left it, a spawned child loads it anew."""
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
        raise SystemExit("--mitigate omp-pause: needs the libgomp of GCC 9 or newer")
    if openmp().omp_pause_resource_all(PAUSE_SOFT):
        raise SystemExit("--mitigate omp-pause: libgomp refuses to end its threads")


def mean_square(samples: Sequence[int], threads: int) -> float:
    """Return the mean of the squares; each thread of the region sums its part."""
    omp, sums = openmp(), [0] * threads

    def region(_: int | None) -> None:
        thread, team = omp.omp_get_thread_num(), omp.omp_get_num_threads()
        sums[thread] = sum(sample * sample for sample in samples[thread::team])

    # What a compiler makes of `#pragma omp parallel num_threads(threads)`.
    omp.GOMP_parallel(ctypes.CFUNCTYPE(None, ctypes.c_void_p)(region), None, threads, 0)
    return sum(sums) / len(samples)


def check(rank: int, threads: int) -> None:
    """Compute something known in a region of its own; runs in the child."""
    mark(rank, "blocking")
    mean = mean_square(range(100), threads)
    mark(rank, "acquired")
    print(f"rank {rank} child: mean square {mean}", flush=True)


def world() -> MPI.Intracomm:
    """Initialise MPI and return all its ranks; a spawned child never comes here, so it never runs MPI_Init."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        print(f"needs mpi4py and an MPI library ({error}): python -m pip install mpi4py mpich", file=sys.stderr)
        raise SystemExit(2) from None
    return MPI.COMM_WORLD


def shares(variant: str, size: int) -> list[range]:
    """Divide the samples among the ranks that work; a rank that only distributes has an empty share."""
    first = 1 if variant == "workers" else 0
    return [range(0)] * first + [range(worker, SAMPLES, size - first) for worker in range(size - first)]


def main() -> None:
    """Distribute the samples, compute with OpenMP, fork a child that does so too, wait for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=VARIANTS, default="workers", help="who works (default: workers)")
    parser.add_argument("--mitigate", choices=MITIGATIONS, metavar="SLUG", help="one of: " + ", ".join(MITIGATIONS))
    chosen = parser.parse_args()
    threads = 1 if chosen.mitigate == "omp-one-thread" else THREADS

    openmp()
    comm = world()
    mark(comm.rank, "start")
    share = comm.scatter(shares(chosen.variant, comm.size) if comm.rank == 0 else None, root=0)
    if share:
        print(f"rank {comm.rank}: mean square {mean_square(share, threads):.1f}", flush=True)
    if chosen.mitigate == "omp-pause":
        pause()

    multiprocessing.set_start_method(chosen.mitigate if chosen.mitigate in ("spawn", "forkserver") else "fork")
    child = multiprocessing.Process(target=check, args=(comm.rank, threads))
    mark(comm.rank, "forking")
    child.start()
    mark(comm.rank, "joining")
    child.join()
    mark(comm.rank, "done")
    print(f"rank {comm.rank} done", flush=True)


if __name__ == "__main__":
    main()
