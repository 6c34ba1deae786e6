"""Healthy: rank 0 is slow; the others wait for its broadcast inside MPI, and rank 0 waits for a child that computes.

Looks hung: no rank's main thread makes progress, and the ranks inside MPI poll at full speed all the time.
"""

import hashlib
import os
import sys
import time

from mpi4py import MPI

SECONDS = 4.2


def mark(rank: int, word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-{rank}.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def compute() -> None:
    end, block = time.monotonic() + SECONDS, b""
    while time.monotonic() < end:
        block = hashlib.sha256(block * 10000).digest()
        time.sleep(0.01)
    os._exit(0)


def main() -> int:
    comm, status = MPI.COMM_WORLD, 0
    mark(comm.rank, "look-alike")
    if comm.rank == 0:
        child = os.fork()
        if child == 0:
            compute()
        _, status = os.waitpid(child, 0)
        for rank in range(comm.size):  # the others cannot know when it ends
            mark(rank, "look-alike-ends")
    return int(comm.bcast(status, root=0))


if __name__ == "__main__":
    sys.exit(main())
