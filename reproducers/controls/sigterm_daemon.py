"""Healthy: a forked daemon waits, without a time-out, for an Event that its SIGTERM handler sets.

What it looks like: the daemon waits for a Python lock that no thread of it holds.
Why it is not a hang: it catches SIGTERM, and the rank's main thread, which works meanwhile, sends it at the end.

Pattern of ranks: none hangs; every rank ends by itself, with exit status 0. There is nothing to cure.

How to run it:  mpiexec -n 4 python sigterm_daemon.py --seconds 4 </dev/null
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import signal
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


def seconds_asked() -> float:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, metavar="S", help="how long it looks hung (default: 4)")
    return float(parser.parse_args().seconds)


def work(seconds: float) -> None:
    """Compute, with a short rest now and then."""
    end, block = time.monotonic() + seconds, b""
    while time.monotonic() < end:
        block = hashlib.sha256(block * 10000).digest()
        time.sleep(0.01)


def serve(rank: int, ready: multiprocessing.synchronize.Event) -> None:
    """Run until SIGTERM comes, then leave in an orderly way."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    ready.set()
    mark(rank, "look-alike")
    stopping.wait()


def main() -> None:
    """Compute beside a daemon, then ask it to stop and wait for it."""
    seconds = seconds_asked()
    rank = mpi_rank()
    mark(rank, "start")
    multiprocessing.set_start_method("fork")
    ready = multiprocessing.Event()
    daemon = multiprocessing.Process(target=serve, args=(rank, ready))
    mark(rank, "forking")
    daemon.start()
    ready.wait()
    work(seconds)
    mark(rank, "look-alike-ends")
    daemon.terminate()
    daemon.join()
    if daemon.exitcode:
        raise SystemExit(f"rank {rank}: the daemon did not end in an orderly way: {daemon.exitcode}")
    mark(rank, "done")
    print(f"rank {rank} done", flush=True)


if __name__ == "__main__":
    main()
