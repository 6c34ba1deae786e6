"""Workers read their input until it ends, but a later worker keeps the write end of an earlier one's pipe: ranks hang.

Mechanism: every rank forks its workers first, each with a pipe of its own, and then serves them one after the other:
write the input, close the pipe, wait until the worker has ended. A worker closes the write end of its own pipe but not
those of the workers before it, which the fork copied too (that Python's descriptors are not inheritable concerns exec
only). So the first worker's input never ends: the second worker has it open, and waits for its own input, which the
rank writes when the first worker has ended. With a single worker all is well.

Pattern of ranks: with four ranks Dhhh (rank 0 coordinates and has one worker, it is done and waits in MPI_Finalize; the
other ranks have two workers and hang).

Cures (--mitigate): `close-inherited-ends` closes, in each new worker, all write ends that the rank holds.

How to run it:  mpiexec -n 4 python inherited_pipe_end.py </dev/null
                mpiexec -n 4 python inherited_pipe_end.py --mitigate close-inherited-ends </dev/null
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpi4py import MPI

MITIGATIONS = ("close-inherited-ends",)
WORKERS = 2  # of a rank that does nothing else
SAMPLES = 1000


def mark(rank: int, name: str) -> None:
    """Append a line to this rank's marks, if somebody watches; parent and child may both write."""
    if folder := os.environ.get("HANGPROBE_MARKS"):
        line = f"{time.clock_gettime(time.CLOCK_MONOTONIC):.6f} {os.getpid()} {name}\n"
        marks = os.open(f"{folder}/rank-{rank}.marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(marks, line.encode())
        os.close(marks)


def world() -> MPI.Intracomm:
    """Initialise MPI and return all its ranks."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        print(f"needs mpi4py and an MPI library ({error}): python -m pip install mpi4py mpich", file=sys.stderr)
        raise SystemExit(2) from None
    return MPI.COMM_WORLD


def work(rank: int, numbers: int) -> None:
    """Sum all numbers that come until the input ends; runs in a worker."""
    mark(rank, "blocking")
    with open(numbers) as lines:
        total = sum(int(line) for line in lines)
    mark(rank, "acquired")
    print(f"rank {rank} worker: the sum is {total}", flush=True)


def start_worker(rank: int, write_ends: list[int], cure: str | None) -> tuple[int, int]:
    """Fork a worker; return its pid and the write end of its input."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(write_end)
            if cure == "close-inherited-ends":
                for earlier in write_ends:
                    os.close(earlier)
            work(rank, read_end)
            status = 0
        finally:
            os._exit(status)
    os.close(read_end)
    return pid, write_end


def main() -> None:
    """Start the workers, then serve one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mitigate", choices=MITIGATIONS, metavar="SLUG", help="one of: " + ", ".join(MITIGATIONS))
    cure = parser.parse_args().mitigate

    comm = world()
    mark(comm.rank, "start")
    workers = comm.scatter([1] + [WORKERS] * (comm.size - 1) if comm.rank == 0 else None, root=0)
    mark(comm.rank, "forking")
    pids: list[int] = []
    write_ends: list[int] = []
    for _ in range(workers):
        pid, write_end = start_worker(comm.rank, write_ends, cure)
        pids.append(pid)
        write_ends.append(write_end)

    for number, (pid, write_end) in enumerate(zip(pids, write_ends, strict=True)):
        with open(write_end, "w") as numbers:
            numbers.writelines(f"{sample}\n" for sample in range(number, SAMPLES, workers))
        mark(comm.rank, "joining")
        os.waitpid(pid, 0)
    mark(comm.rank, "done")
    print(f"rank {comm.rank} done", flush=True)


if __name__ == "__main__":
    main()
