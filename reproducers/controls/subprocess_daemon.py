"""Healthy: the rank's main thread waits in subprocess.run() for a daemon, until somebody stops the daemon.

What it looks like: the main thread waits for the daemon without a time-out and catches no signal; the daemon, a program
of its own (exec, not only fork), waits for a Python lock that no thread of it holds.
Why it is not a hang: the daemon catches SIGTERM, and a shell beside it sends one after a while.

Pattern of ranks: none hangs; every rank ends by itself, with exit status 0. There is nothing to cure.

How to run it:  mpiexec -n 4 python subprocess_daemon.py --seconds 4 </dev/null
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time


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


def serve(rank: int, pidfile: int) -> None:
    """Say who this is, run until SIGTERM comes, then leave in an orderly way; the daemon's program."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    os.write(pidfile, f"{os.getpid()}\n".encode())
    os.close(pidfile)
    mark(rank, "look-alike")
    stopping.wait()
    mark(rank, "look-alike-ends")


def run_daemon(rank: int, seconds: float) -> None:
    """Run the daemon to its end; a shell that was started before learns its pid and stops it after a while."""
    told, tell = os.pipe()
    stopper = subprocess.Popen(["sh", "-c", 'read pid && sleep "$0" && kill -TERM "$pid"', str(seconds)], stdin=told)
    os.close(told)
    command = [sys.executable, __file__, "--serve", str(rank), str(tell)]
    subprocess.run(command, pass_fds=(tell,), check=True)
    os.close(tell)
    stopper.wait()


def main() -> None:
    """Run the daemon from a rank, or be it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, metavar="S", help="how long it looks hung (default: 4)")
    parser.add_argument("--serve", type=int, nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(*chosen.serve)
        return
    rank = mpi_rank()
    mark(rank, "start")
    mark(rank, "joining")
    run_daemon(rank, chosen.seconds)
    mark(rank, "done")
    print(f"rank {rank} done", flush=True)


if __name__ == "__main__":
    main()
