"""A refresher thread broadcasts under a lock while the main thread forks: rank 0 is done, all other ranks hang.

Mechanism: every rank keeps settings that rank 0 sends round. A thread of each rank does `with lock: comm.bcast(...)`;
before each broadcast rank 0 prepares what it sends, outside the lock, so all other ranks sit in the broadcast and hold
their lock meanwhile. Then every rank's main thread forks a child that reads the settings under the lock. On rank 0 the
lock is free. On the others it is held by the refresher, a thread that does not exist in the child: nobody will ever
release the child's copy, and the main thread waits for its child. No line around the fork asks for the rank.

Pattern of ranks: with four ranks Dhhh (rank 0 is done and waits in MPI_Finalize, ranks 1 to 3 hang).

Cures (--mitigate): `spawn` and `forkserver` start the child in a fresh interpreter and hand it a copy of the settings;
`reinit-lock` makes the lock new in the child; `acquire-before-fork` takes the lock around every fork.

How to run it:  mpiexec -n 4 python bcast_under_lock.py </dev/null
                mpiexec -n 4 python bcast_under_lock.py --mitigate spawn </dev/null
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpi4py import MPI

MITIGATIONS = ("spawn", "forkserver", "reinit-lock", "acquire-before-fork")
STEPS = 3
PREPARATION_S = 0.8  # how long the root prepares each broadcast, outside the lock
SETTLE_S = 0.3  # from "the refresher begins its first step" to the fork

lock = threading.Lock()
settings: dict[str, int] = {}


def mark(rank: int, name: str) -> None:
    """Append a line to this rank's marks, if somebody watches; parent and child may both write."""
    if folder := os.environ.get("HANGPROBE_MARKS"):
        line = f"{time.clock_gettime(time.CLOCK_MONOTONIC):.6f} {os.getpid()} {name}\n"
        marks = os.open(f"{folder}/rank-{rank}.marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(marks, line.encode())
        os.close(marks)


def world() -> MPI.Intracomm:
    """Initialise MPI for calls from several threads; a spawned child never comes here, so it never runs MPI_Init."""
    try:
        import mpi4py

        mpi4py.rc.thread_level = "multiple"
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        print(f"needs mpi4py and an MPI library ({error}): python -m pip install mpi4py mpich", file=sys.stderr)
        raise SystemExit(2) from None
    if MPI.Query_thread() < MPI.THREAD_MULTIPLE:
        print("needs an MPI library with MPI_THREAD_MULTIPLE", file=sys.stderr)
        raise SystemExit(2)
    return MPI.COMM_WORLD


def refresh(comm: MPI.Intracomm, begun: threading.Event) -> None:
    """Keep the settings fresh: the root prepares them, everybody receives them under the lock."""
    for step in range(STEPS):
        prepared = None
        begun.set()
        if comm.rank == 0:
            time.sleep(PREPARATION_S)
            prepared = {"step": step}
        with lock:
            settings.update(comm.bcast(prepared, root=0))


def use_settings(rank: int, copied: dict[str, int] | None) -> None:
    """Read the settings under the lock, as everybody does; runs in the child."""
    mark(rank, "blocking")
    with lock:
        mark(rank, "acquired")
        current = dict(settings if copied is None else copied)
    print(f"rank {rank} child has settings {current}", flush=True)


def main() -> None:
    """Refresh in a thread, fork, wait for the child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mitigate", choices=MITIGATIONS, metavar="SLUG", help="one of: " + ", ".join(MITIGATIONS))
    cure = parser.parse_args().mitigate

    comm = world()
    mark(comm.rank, "start")
    comm.Barrier()
    begun = threading.Event()
    refresher = threading.Thread(target=refresh, args=(comm, begun), name="refresher")
    refresher.start()
    begun.wait()
    time.sleep(SETTLE_S)

    method, copied = "fork", None
    if cure in ("spawn", "forkserver"):
        method, copied = cure, settings.copy()
    elif cure == "reinit-lock":
        os.register_at_fork(after_in_child=lock._at_fork_reinit)  # type: ignore[attr-defined]  # not in typeshed
    elif cure == "acquire-before-fork":
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)

    multiprocessing.set_start_method(method)
    child = multiprocessing.Process(target=use_settings, args=(comm.rank, copied))
    mark(comm.rank, "forking")
    child.start()
    mark(comm.rank, "joining")
    child.join()
    refresher.join()
    mark(comm.rank, "done")
    print(f"rank {comm.rank} done", flush=True)


if __name__ == "__main__":
    main()
