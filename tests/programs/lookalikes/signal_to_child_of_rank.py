"""Healthy: a forked child of an MPI rank waits for SIGUSR1, for which it has a handler of its own; a shell sends it.

Looks hung: MPICH's library and UCX catch USR1 and HUP in every rank and in what it forks, so that catching them says
nothing; the child waits for a Python lock that no thread of it holds, and the rank waits for the child.
"""

import os
import signal
import subprocess
import sys
import threading
import time

from mpi4py import MPI

WORK = "for n in $(seq 84); do sleep 0.05; done"  # short rests: no sleep is as old as the wait


def mark(rank: int, word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-{rank}.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def serve(rank: int) -> None:
    stopping = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: stopping.set())
    mark(rank, "look-alike")
    stopping.wait()
    mark(rank, "look-alike-ends")
    os._exit(7)


def main() -> int:
    rank = MPI.COMM_WORLD.Get_rank()
    child = os.fork()
    if child == 0:
        serve(rank)
    sender = subprocess.Popen(["sh", "-c", f'{WORK}; kill -USR1 "$0"', str(child)])
    _, status = os.waitpid(child, 0)
    return 0 if os.waitstatus_to_exitcode(status) == 7 and sender.wait() == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
