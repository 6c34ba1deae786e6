"""A helper is forked while a file is locked: rank 0 closes the file and is done, all other ranks wait for the lock.

Mechanism: all ranks of a node add a line to one ledger. A rank opens the ledger, locks it, writes, starts a helper that
stands by until the end of the job, and closes the ledger, which is meant to unlock it. But such a lock belongs to the
open file description, which a forked helper shares: it stays until the helper, too, is gone. The node's first rank
makes the ledger, so it is the first; its helper keeps the lock, and the others wait for it. No line around the fork
asks for the rank. --variant is the kind of lock:

  flock  flock(2)
  ofd    an open file description lock, fcntl(F_OFD_SETLKW)
  posix  fcntl.lockf(): belongs to the process, a child does not inherit it. This one does not hang

Pattern of ranks: with four ranks on a node Dhhh (rank 0 waits for the others in a barrier, ranks 1 to 3 hang in the
lock); on three nodes of two ranks DhDhDh.

Cures (--mitigate): `unlock-explicitly` unlocks before it closes; `spawn` and `forkserver` start a helper that does not
inherit the open file (Python opens files close-on-exec).

How to run it:  mpiexec -n 4 python file_lock.py --variant ofd </dev/null
                mpiexec -n 4 python file_lock.py --variant ofd --mitigate unlock-explicitly </dev/null
"""

from __future__ import annotations

import argparse
import fcntl
import multiprocessing
import os
import shutil
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from mpi4py import MPI

VARIANTS = ("flock", "ofd", "posix")
MITIGATIONS = ("unlock-explicitly", "spawn", "forkserver")


def mark(rank: int, name: str) -> None:
    """Append a line to this rank's marks, if somebody watches; parent and child may both write."""
    if folder := os.environ.get("HANGPROBE_MARKS"):
        line = f"{time.clock_gettime(time.CLOCK_MONOTONIC):.6f} {os.getpid()} {name}\n"
        marks = os.open(f"{folder}/rank-{rank}.marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(marks, line.encode())
        os.close(marks)


def world() -> tuple[MPI.Intracomm, MPI.Comm]:
    """Initialise MPI; return all ranks, and those of this node. A spawned child never comes here."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        print(f"needs mpi4py and an MPI library ({error}): python -m pip install mpi4py mpich", file=sys.stderr)
        raise SystemExit(2) from None
    return MPI.COMM_WORLD, MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED, key=MPI.COMM_WORLD.rank)


def set_lock(ledger: BinaryIO, variant: str, is_wanted: bool) -> None:
    """Lock the whole file, however long it takes, or unlock it."""
    if variant == "flock":
        fcntl.flock(ledger, fcntl.LOCK_EX if is_wanted else fcntl.LOCK_UN)
    elif variant == "posix":
        fcntl.lockf(ledger, fcntl.LOCK_EX if is_wanted else fcntl.LOCK_UN)
    else:
        kind = fcntl.F_WRLCK if is_wanted else fcntl.F_UNLCK
        whole_file = struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0)  # struct flock, 64 bits: fcntl(2)
        fcntl.fcntl(ledger, fcntl.F_OFD_SETLKW, whole_file)


def open_locked(rank: int, node: MPI.Comm, variant: str) -> BinaryIO:
    """Open the node's ledger and lock it; its first rank makes it, and says where it is once it has its lock."""
    path = Path(tempfile.mkdtemp(prefix="ledger-"), "ledger") if node.rank == 0 else node.bcast(None, root=0)
    ledger = path.open("ab")
    mark(rank, "blocking")
    set_lock(ledger, variant, is_wanted=True)
    mark(rank, "acquired")
    if node.rank == 0:
        node.bcast(path, root=0)
    return ledger


def stand_by() -> None:
    """Be at hand until the rank terminates this helper."""
    threading.Event().wait()


def main() -> None:
    """Write to the ledger under its lock, start a helper, meet the others, end the helper."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=VARIANTS, default="flock", help="the kind of lock (default: flock)")
    parser.add_argument("--mitigate", choices=MITIGATIONS, metavar="SLUG", help="one of: " + ", ".join(MITIGATIONS))
    chosen = parser.parse_args()
    if chosen.mitigate and chosen.variant == "posix":
        parser.error(f"--mitigate {chosen.mitigate}: there is nothing to cure in posix")

    comm, node = world()
    mark(comm.rank, "start")
    multiprocessing.set_start_method(chosen.mitigate if chosen.mitigate in ("spawn", "forkserver") else "fork")
    helper = multiprocessing.Process(target=stand_by, daemon=True)
    with open_locked(comm.rank, node, chosen.variant) as ledger:
        ledger.write(f"rank {comm.rank} was here\n".encode())
        mark(comm.rank, "forking")
        helper.start()
        if chosen.mitigate == "unlock-explicitly":
            ledger.flush()
            set_lock(ledger, chosen.variant, is_wanted=False)
    mark(comm.rank, "joining")
    comm.Barrier()
    helper.terminate()
    helper.join()
    if node.rank == 0:
        shutil.rmtree(Path(ledger.name).parent)
    mark(comm.rank, "done")
    print(f"rank {comm.rank} done", flush=True)


if __name__ == "__main__":
    main()
