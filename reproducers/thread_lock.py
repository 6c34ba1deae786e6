"""A thread holds a lock while the main thread forks; the child wants the lock: every rank hangs.

Mechanism: a thread of each rank does something slow under a lock while the main thread forks. A fork copies the lock as
it is, held, but not the thread that holds it. The parent's thread goes on and releases the parent's lock; the
child's copy is never released, and the main thread waits for the child. --variant says where the lock is:

  lock         a threading.Lock
  rlock        a threading.RLock
  queue        the mutex inside a queue.Queue, which the child only uses by put()
  buffered-io  the lock inside a BufferedWriter: the thread's write waits until somebody reads the pipe
  import       the lock of a module: the thread imports it from a slow disk, the child imports it too

Pattern of ranks: with four ranks hhhh (every rank hangs, no call of MPI is needed).

Cures (--mitigate): `spawn` and `forkserver` start the child in a fresh interpreter, which makes its own lock;
`fork-first` forks before the thread is started; `acquire-before-fork` (lock, rlock, queue) takes the lock around every
fork; `reinit-lock` (lock, rlock) makes the lock new in the child.

How to run it:  mpiexec -n 4 python thread_lock.py --variant queue </dev/null
                mpiexec -n 4 python thread_lock.py --variant queue --mitigate spawn </dev/null
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import queue
import select
import sys
import threading
import time
from functools import cached_property
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from io import BufferedReader, BufferedWriter
from typing import Any

EVERYWHERE = ("spawn", "forkserver", "fork-first")


def mark(rank: int, name: str) -> None:
    """Append a line to this rank's marks, if somebody watches; parent and child may both write."""
    if folder := os.environ.get("HANGPROBE_MARKS"):
        line = f"{time.clock_gettime(time.CLOCK_MONOTONIC):.6f} {os.getpid()} {name}\n"
        marks = os.open(f"{folder}/rank-{rank}.marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(marks, line.encode())
        os.close(marks)


class Case:
    """Something ordinary with a lock inside: a thread is slow in it, a child uses it.

    What a case needs is made when this file is imported, or by the first use: a spawned child has its own.
    """

    lock: Any = None  # where the program can reach it
    mitigations: tuple[str, ...] = EVERYWHERE

    def hold(self, begun: threading.Event, seconds: float) -> None:
        """Be slow under the lock (in a thread of the parent); set `begun` once the lock is held."""
        with self.lock:
            begun.set()
            time.sleep(seconds)

    def use(self) -> None:
        """Need the lock for a moment (in the child)."""
        with self.lock:
            pass


class Lock(Case):
    """A threading.Lock."""

    lock = threading.Lock()
    mitigations = (*EVERYWHERE, "reinit-lock", "acquire-before-fork")


class RLock(Case):
    """A threading.RLock."""

    lock = threading.RLock()
    mitigations = (*EVERYWHERE, "reinit-lock", "acquire-before-fork")


class Queue(Case):
    """A queue that a thread compacts from time to time, under the queue's own mutex."""

    tasks: queue.Queue[int] = queue.Queue()
    lock = tasks.mutex
    mitigations = (*EVERYWHERE, "acquire-before-fork")

    def hold(self, begun: threading.Event, seconds: float) -> None:
        """Drop what is out of date, after asking a slow service which tasks these are."""
        with self.lock:
            begun.set()
            time.sleep(seconds)
            self.tasks.queue.clear()

    def use(self) -> None:
        """Submit a task."""
        self.tasks.put(1)


class BufferedIO(Case):
    """A log over a pipe whose reader is slow."""

    size = 1 << 20  # bytes; more than a pipe takes

    @cached_property
    def pipe(self) -> tuple[BufferedReader, BufferedWriter]:
        """The end that the reader has, and the log."""
        read_end, write_end = os.pipe()
        return open(read_end, "rb"), open(write_end, "wb")

    def hold(self, begun: threading.Event, seconds: float) -> None:
        """Write much; the write holds the BufferedWriter's lock until the reader has come."""
        received, log = self.pipe
        reader = threading.Thread(target=self.read, args=(received, begun, seconds), name="reader")
        reader.start()
        log.write(bytes(self.size))
        log.flush()
        reader.join()

    def read(self, received: BufferedReader, begun: threading.Event, seconds: float) -> None:
        """Notice the first bytes, come late, then read all."""
        select.select([received], [], [])
        begun.set()
        time.sleep(seconds)
        received.read(self.size)

    def use(self) -> None:
        """Write a line to the same log."""
        _, log = self.pipe
        log.write(b"child\n")


class Import(Case, MetaPathFinder, Loader):
    """A module on a disk that takes its time, as a shared file system does when all nodes start."""

    begun, seconds = threading.Event(), 0.1

    def hold(self, begun: threading.Event, seconds: float) -> None:
        """Import the module, slowly."""
        self.begun, self.seconds = begun, seconds
        self.use()

    def use(self) -> None:
        """Import the module."""
        sys.meta_path.append(self)
        importlib.import_module("on_a_slow_disk")

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        """Find this one module."""
        return ModuleSpec(fullname, self) if fullname == "on_a_slow_disk" else None

    def exec_module(self, _: object) -> None:
        """Load it; importlib calls this with the module's lock held."""
        self.begun.set()
        time.sleep(self.seconds)


CASES = {"lock": Lock(), "rlock": RLock(), "queue": Queue(), "buffered-io": BufferedIO(), "import": Import()}


def work(rank: int, variant: str) -> None:
    """Use what the case is about; runs in the child."""
    mark(rank, "blocking")
    CASES[variant].use()
    mark(rank, "acquired")


def mpi_rank() -> int:
    """Initialise MPI and return the rank; a spawned child never comes here, so it never runs MPI_Init."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        print(f"needs mpi4py and an MPI library ({error}): python -m pip install mpi4py mpich", file=sys.stderr)
        raise SystemExit(2) from None
    return MPI.COMM_WORLD.Get_rank()


def options() -> argparse.Namespace:
    """Read the command line; refuse a cure that the variant does not have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=CASES, default="lock", help="where the lock is (default: lock)")
    parser.add_argument("--mitigate", metavar="SLUG", help="apply a cure, see above")
    parser.add_argument("--hold", type=float, default=0.5, metavar="S", help="seconds to be slow (default: 0.5)")
    chosen = parser.parse_args()
    known = CASES[chosen.variant].mitigations
    if chosen.mitigate not in (None, *known):
        parser.error(f"--mitigate {chosen.mitigate}: the cures of {chosen.variant} are {', '.join(known)}")
    return chosen


def main() -> None:
    """Be slow under the lock in a thread, fork, wait for the child."""
    chosen = options()
    rank = mpi_rank()
    mark(rank, "start")
    case = CASES[chosen.variant]
    begun = threading.Event()
    holder = threading.Thread(target=case.hold, args=(begun, chosen.hold), name="holder")

    if chosen.mitigate == "reinit-lock":
        os.register_at_fork(after_in_child=case.lock._at_fork_reinit)
    elif chosen.mitigate == "acquire-before-fork":
        os.register_at_fork(
            before=case.lock.acquire, after_in_parent=case.lock.release, after_in_child=case.lock.release
        )
    multiprocessing.set_start_method(chosen.mitigate if chosen.mitigate in ("spawn", "forkserver") else "fork")
    child = multiprocessing.Process(target=work, args=(rank, chosen.variant))

    if chosen.mitigate != "fork-first":
        holder.start()
        begun.wait()
    mark(rank, "forking")
    child.start()
    if chosen.mitigate == "fork-first":
        holder.start()
    mark(rank, "joining")
    child.join()
    holder.join()
    mark(rank, "done")
    print(f"rank {rank} done", flush=True)


if __name__ == "__main__":
    main()
