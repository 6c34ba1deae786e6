"""A worker is killed while it holds a lock that processes share; the next worker wants the lock: every rank hangs.

Mechanism: a worker of each rank archives results under a multiprocessing.Lock, and is slow. The rank's main thread
loses its patience, kills the worker and starts another one. The lock is a semaphore in shared memory: the kernel does
not know who holds it, so the death of the holder does not release it. The second worker waits for the lock, the main
thread waits for the second worker.

Pattern of ranks: with four ranks hhhh (every rank hangs, no call of MPI is needed).

Cures (--mitigate): `ask-to-stop` sets an Event at which the slow worker looks between two results, so it leaves its
`with lock` by itself. A start method is no cure: a spawned worker that is killed leaves the lock as well.

How to run it:  mpiexec -n 4 python killed_lock_holder.py </dev/null
                mpiexec -n 4 python killed_lock_holder.py --mitigate ask-to-stop </dev/null
"""

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.synchronize
import os
import sys
import time

MITIGATIONS = ("ask-to-stop",)
PATIENCE_S = 0.5  # how long the main thread lets the first worker archive
RESULTS = 600
STORE_S = 0.1  # for each result, on a slow file system


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


def archive_all(
    lock: multiprocessing.synchronize.Lock,
    begun: multiprocessing.synchronize.Event,
    stopping: multiprocessing.synchronize.Event | None,
) -> None:
    """Archive every result under the lock, unless asked to stop; the first worker."""
    with lock:
        begun.set()
        for _ in range(RESULTS):
            if stopping and stopping.is_set():
                break
            time.sleep(STORE_S)


def archive_summary(rank: int, lock: multiprocessing.synchronize.Lock) -> None:
    """Archive what matters most under the lock; the second worker."""
    mark(rank, "blocking")
    with lock:
        mark(rank, "acquired")


def main() -> None:
    """Start a worker, lose patience with it, start another one and wait for that."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mitigate", choices=MITIGATIONS, metavar="SLUG", help="one of: " + ", ".join(MITIGATIONS))
    cure = parser.parse_args().mitigate

    rank = mpi_rank()
    mark(rank, "start")
    multiprocessing.set_start_method("fork")
    lock, begun = multiprocessing.Lock(), multiprocessing.Event()
    stopping = multiprocessing.Event() if cure == "ask-to-stop" else None
    slow = multiprocessing.Process(target=archive_all, args=(lock, begun, stopping))
    slow.start()
    begun.wait()
    slow.join(PATIENCE_S)
    if slow.is_alive():
        if stopping:
            stopping.set()
        else:
            slow.kill()
        slow.join()

    quick = multiprocessing.Process(target=archive_summary, args=(rank, lock))
    mark(rank, "forking")
    quick.start()
    mark(rank, "joining")
    quick.join()
    mark(rank, "done")
    print(f"rank {rank} done", flush=True)


if __name__ == "__main__":
    main()
