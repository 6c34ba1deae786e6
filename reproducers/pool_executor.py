"""A ProcessPoolExecutor forks its workers while a thread holds a lock that the tasks take: every rank hangs.

Mechanism: a thread of each rank reloads a calibration table under a lock while the main thread submits its first
tasks. The executor forks its workers at the first submit(), and a fork copies the lock as it is, held, but not the
thread that holds it. The parent's thread goes on and releases the parent's lock; the copies in the workers are never
released. No worker has died, so the executor has nothing to report: the main thread waits in result() for ever.

Pattern of ranks: with four ranks hhhh (every rank hangs, no call of MPI is needed).

Cures (--mitigate): `spawn` and `forkserver` start the workers in fresh interpreters, which make their own lock;
`fork-first` submits a first task, which forks the workers, before the thread is started; `acquire-before-fork` takes
the lock around every fork; `reinit-lock` makes the lock new in the child.

How to run it:  mpiexec -n 4 python pool_executor.py </dev/null
                mpiexec -n 4 python pool_executor.py --mitigate forkserver </dev/null
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

MITIGATIONS = ("spawn", "forkserver", "fork-first", "acquire-before-fork", "reinit-lock")
WORKERS = 2
RELOAD_S = 0.5  # how long the thread is slow under the lock

lock = threading.Lock()
calibration = {"gain": 2.0, "offset": 1.0}


def mark(rank: int, name: str) -> None:
    """Append a line to this rank's marks, if somebody watches; parent and child may both write."""
    if folder := os.environ.get("HANGPROBE_MARKS"):
        line = f"{time.clock_gettime(time.CLOCK_MONOTONIC):.6f} {os.getpid()} {name}\n"
        marks = os.open(f"{folder}/rank-{rank}.marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(marks, line.encode())
        os.close(marks)


def mpi_rank() -> int:
    """Initialise MPI and return the rank; a spawned child never comes here, so it never runs MPI_Init."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        print(f"needs mpi4py and an MPI library ({error}): python -m pip install mpi4py mpich", file=sys.stderr)
        raise SystemExit(2) from None
    return MPI.COMM_WORLD.Get_rank()


def reload(begun: threading.Event) -> None:
    """Read the calibration from a slow disk, under the lock (in a thread of the parent)."""
    with lock:
        begun.set()
        time.sleep(RELOAD_S)
        calibration.update(gain=2.0, offset=1.0)


def calibrate(rank: int, raw: float) -> float:
    """Apply the calibration under the lock, as everybody does; runs in a worker."""
    mark(rank, "blocking")
    with lock:
        mark(rank, "acquired")
        return calibration["gain"] * raw + calibration["offset"]


def main() -> None:
    """Reload the calibration in a thread, let the workers use it, collect their results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mitigate", choices=MITIGATIONS, metavar="SLUG", help="one of: " + ", ".join(MITIGATIONS))
    cure = parser.parse_args().mitigate

    rank = mpi_rank()
    mark(rank, "start")
    if cure == "reinit-lock":
        os.register_at_fork(after_in_child=lock._at_fork_reinit)  # type: ignore[attr-defined]  # not in typeshed
    elif cure == "acquire-before-fork":
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)

    context = multiprocessing.get_context(cure if cure in ("spawn", "forkserver") else "fork")
    begun = threading.Event()
    reloader = threading.Thread(target=reload, args=(begun,), name="reloader")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as executor:
        if cure == "fork-first":
            executor.submit(abs, 0).result()
        reloader.start()
        begun.wait()
        mark(rank, "forking")
        futures = [executor.submit(calibrate, rank, raw) for raw in (0.5, 1.5, 2.5)]
        mark(rank, "joining")
        results = [future.result() for future in futures]
    reloader.join()
    mark(rank, "done")
    print(f"rank {rank} done: {results}", flush=True)


if __name__ == "__main__":
    main()
