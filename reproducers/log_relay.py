"""A thread holds the log's lock while it writes to a pipe that nobody drains, a forked child logs: ranks 1 to N hang.

Mechanism: rank 0 keeps the program's log in a file. The log of any other rank goes through a pipe to a relay, a thread
that shows its first lines and then stops reading, so that a job does not drown in its output. A solver thread logs more
than a pipe takes: it sits in write() and holds the log's lock, for ever. The main thread forks; the child, too, wants
to log a line, and waits for its copy of the lock, whose holder does not exist in the child; the main thread waits for
the child. On rank 0 the solver is done and the lock is free. No line around the fork asks for the rank.

Pattern of ranks: with four ranks Dhhh (rank 0 is done and waits in MPI_Finalize, ranks 1 to 3 hang).

Cures (--mitigate): `drain-the-pipe` lets the relay read on to the end, and show nothing. `spawn` and `forkserver` start
the child in a fresh interpreter, which opens a log of its own; they free the child and so the rank, but not its solver.

How to run it:  mpiexec -n 4 python log_relay.py </dev/null
                mpiexec -n 4 python log_relay.py --mitigate drain-the-pipe </dev/null
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from itertools import islice

MITIGATIONS = ("drain-the-pipe", "spawn", "forkserver")
SHOWN = 2  # lines of each rank
STEPS = 512
RECORD = 4096  # bytes: PIPE_BUF, so records never mix. All of them are 2 MiB, twice what the largest usual pipe takes
PATIENCE_S = 0.8  # how long the main thread waits for the solver before it starts the analysis


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


class Log:
    """The log of a rank: a file on rank 0, a pipe to a relay on the others; one writer at a time."""

    def __init__(self, rank: int, drains: bool) -> None:
        """Open the log; `drains`: the relay reads on after the lines that it shows."""
        self.lock = threading.Lock()
        self.drains = drains
        if rank == 0:
            self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # open as long as the program runs
        else:
            read_end, write_end = os.pipe()
            self.received, self.file = open(read_end, "rb"), open(write_end, "wb", buffering=0)  # noqa: SIM115
            threading.Thread(target=self.relay, name="relay", daemon=True).start()

    def relay(self) -> None:
        """Show the first lines."""
        for line in islice(self.received, SHOWN):
            print(line[:60].decode().rstrip(), file=sys.stderr, flush=True)
        if self.drains:
            for _ in self.received:
                pass

    def write(self, line: str) -> None:
        """Write one line, under the lock."""
        with self.lock:
            self.file.write(line.encode() + b"\n")


def solve(rank: int, log: Log) -> None:
    """Log every step in detail; runs in a thread."""
    for step in range(STEPS):
        residuals = f"rank {rank} step {step} residuals" + " 1.0e-08" * RECORD
        log.write(residuals[: RECORD - 1])


def analyse(rank: int, log: Log | None) -> None:
    """Log that the analysis begins; runs in the child."""
    log = log or Log(rank, drains=False)
    mark(rank, "blocking")
    log.write(f"rank {rank} analysis begins")
    mark(rank, "acquired")


def main() -> None:
    """Solve in a thread, fork a child that analyses, wait for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mitigate", choices=MITIGATIONS, metavar="SLUG", help="one of: " + ", ".join(MITIGATIONS))
    cure = parser.parse_args().mitigate

    rank = mpi_rank()
    mark(rank, "start")
    log = Log(rank, drains=cure == "drain-the-pipe")
    solver = threading.Thread(target=solve, args=(rank, log), name="solver", daemon=True)
    solver.start()
    solver.join(PATIENCE_S)

    method = cure if cure in ("spawn", "forkserver") else "fork"
    multiprocessing.set_start_method(method)
    child = multiprocessing.Process(target=analyse, args=(rank, log if method == "fork" else None))
    mark(rank, "forking")
    child.start()
    mark(rank, "joining")
    child.join()
    mark(rank, "done")
    print(f"rank {rank} done", flush=True)


if __name__ == "__main__":
    main()
