"""A child reads its standard input, which never ends on the other ranks: rank 0 is done, ranks 1 to N hang.

Mechanism: a launcher hands its own standard input to rank 0. Hydra (MPICH, Intel MPI) gives every other rank a pipe
into which nobody writes, and keeps its other end open until the job ends: whoever reads from it waits for ever. A child
inherits it, whether it was forked or executed. --variant says who reads:

  child   a forked child: settings may be piped in
  filter  an ordinary program, `cat` with the files that were found; there are none, so it reads its standard input
  thread  a thread of the rank, for commands; it holds the lock of sys.stdin meanwhile. Then a child is forked, and
          multiprocessing closes sys.stdin in it: that needs the lock, whose holder does not exist in the child

Pattern of ranks: with four ranks Dhhh (rank 0 reads the end of /dev/null and waits in MPI_Finalize, ranks 1 to 3 hang).
Open MPI gives ranks 1 to N /dev/null, and 5.0.11 never passes on the end of its own stdin: there rank 0 alone hangs.

Cures (--mitigate): `stdin-devnull` replaces the standard input inside each rank; `spawn` and `forkserver` (thread only)
start the child in a fresh interpreter, where nobody holds the lock of sys.stdin.

How to run it:  mpiexec -n 4 python launcher_stdin.py --variant filter </dev/null
                mpiexec -n 4 python launcher_stdin.py --variant filter --mitigate stdin-devnull </dev/null
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

MITIGATIONS = {
    "child": ("stdin-devnull",),
    "filter": ("stdin-devnull",),
    "thread": ("stdin-devnull", "spawn", "forkserver"),
}
SETTLE_S = 0.3  # from the start of the thread that reads to the fork


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


def run_child(rank: int) -> None:
    """Fork a child that reads its settings, if there are any, and wait for it."""
    mark(rank, "forking")
    child = os.fork()
    if child == 0:
        mark(rank, "blocking")
        settings = sys.stdin.read().split()
        mark(rank, "acquired")
        print(f"rank {rank} child has settings {settings}", flush=True)
        os._exit(0)  # a forked child must not run MPI_Finalize
    mark(rank, "joining")
    os.waitpid(child, 0)


def merge_parts(rank: int) -> None:
    """Put together what earlier jobs left for this rank; a first job has no earlier one."""
    parts = sorted(Path().glob(f"rank-{rank}-*.part"))
    with tempfile.TemporaryFile() as merged:
        mark(rank, "forking")
        mark(rank, "blocking")
        subprocess.run(["cat", *parts], stdout=merged, check=True)
        mark(rank, "acquired")


def listen() -> None:
    """Carry out commands from the standard input, until it ends."""
    for line in sys.stdin:
        print(f"command {line.strip()}", flush=True)


def work(rank: int) -> None:
    """Do nothing with the standard input; runs in the child."""
    mark(rank, "acquired")


def run_beside_listener(rank: int, method: str) -> None:
    """Listen in a thread, start a child, wait for it."""
    multiprocessing.set_start_method(method)
    threading.Thread(target=listen, name="listener", daemon=True).start()
    time.sleep(SETTLE_S)
    os.register_at_fork(after_in_child=lambda: mark(rank, "blocking"))  # multiprocessing closes sys.stdin right after
    child = multiprocessing.Process(target=work, args=(rank,))
    mark(rank, "forking")
    child.start()
    mark(rank, "joining")
    child.join()


def options() -> argparse.Namespace:
    """Read the command line; refuse a cure that the variant does not have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=MITIGATIONS, default="child", help="who reads (default: child)")
    parser.add_argument("--mitigate", metavar="SLUG", help="apply a cure, see above")
    chosen = parser.parse_args()
    known = MITIGATIONS[chosen.variant]
    if chosen.mitigate not in (None, *known):
        parser.error(f"--mitigate {chosen.mitigate}: the cures of {chosen.variant} are {', '.join(known)}")
    return chosen


def main() -> None:
    """Start a child that inherits the standard input, wait for it."""
    chosen = options()
    rank = mpi_rank()
    mark(rank, "start")
    if chosen.mitigate == "stdin-devnull":
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
    if chosen.variant == "child":
        run_child(rank)
    elif chosen.variant == "filter":
        merge_parts(rank)
    else:
        run_beside_listener(rank, chosen.mitigate if chosen.mitigate in ("spawn", "forkserver") else "fork")
    mark(rank, "done")
    print(f"rank {rank} done", flush=True)


if __name__ == "__main__":
    main()
