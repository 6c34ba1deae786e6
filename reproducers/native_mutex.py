"""A thread holds a C mutex while the main thread forks; the child locks the same mutex: every rank hangs.

Mechanism: as between any two threads of a C library, without a compiler. A thread of each rank locks a pthread mutex
and does something slow, and the main thread forks meanwhile. The child's copy of the mutex is locked and its owner is a
thread of the parent that does not exist in the child, so pthread_mutex_lock() never returns there. The parent's thread
goes on and unlocks the parent's mutex; the main thread waits for the child. --variant is the kind of mutex: `normal`,
`recursive` or `errorcheck` (an errorcheck mutex reports a deadlock of a thread with itself, not this one).

Pattern of ranks: with four ranks hhhh (every rank hangs, no call of MPI is needed).

Cures (--mitigate): `spawn` and `forkserver` start the child in a fresh interpreter, which makes its own mutex;
`fork-first` forks before the thread is started; `acquire-before-fork` (normal only) locks the mutex before every fork
and unlocks it on both sides: the child is not the owner, and the other kinds refuse to be unlocked by it (EPERM).

How to run it:  mpiexec -n 4 python native_mutex.py --variant errorcheck </dev/null
                mpiexec -n 4 python native_mutex.py --variant errorcheck --mitigate spawn </dev/null
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import os
import sys
import threading
import time

KINDS = {"normal": 0, "recursive": 1, "errorcheck": 2}  # PTHREAD_MUTEX_* of glibc and musl: <pthread.h>
MITIGATIONS = ("spawn", "forkserver", "fork-first", "acquire-before-fork")


def mark(rank: int, name: str) -> None:
    """Append a line to this rank's marks, if somebody watches; parent and child may both write."""
    if folder := os.environ.get("HANGPROBE_MARKS"):
        line = f"{time.clock_gettime(time.CLOCK_MONOTONIC):.6f} {os.getpid()} {name}\n"
        marks = os.open(f"{folder}/rank-{rank}.marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(marks, line.encode())
        os.close(marks)


class Mutex:
    """A pthread mutex of the C library; ctypes releases the interpreter's lock during each call."""

    def __init__(self, kind: str) -> None:
        """Make a mutex of one of the KINDS, private to the process."""
        self.kind = kind
        self.libc = ctypes.CDLL(None)
        self.memory = (ctypes.c_long * 8)()  # sizeof(pthread_mutex_t) is 40 on x86-64, 48 on aarch64
        attributes = ctypes.c_long()
        self.call("pthread_mutexattr_init", attributes)
        self.call("pthread_mutexattr_settype", attributes, ctypes.c_int(KINDS[kind]))
        self.call("pthread_mutex_init", self.memory, attributes)

    def __reduce__(self) -> tuple[type[Mutex], tuple[str]]:
        """Hand a spawned child a mutex of its own: memory cannot be sent."""
        return Mutex, (self.kind,)

    def call(self, function: str, *arguments: ctypes.c_long | ctypes.c_int | ctypes.Array[ctypes.c_long]) -> None:
        """Call a function that returns an error number; all but plain integers go by reference."""
        error = getattr(self.libc, function)(
            *(a if isinstance(a, ctypes.c_int) else ctypes.byref(a) for a in arguments)
        )
        if error:
            raise OSError(error, os.strerror(error), function)

    def lock(self) -> None:
        """Lock it, however long it takes."""
        self.call("pthread_mutex_lock", self.memory)

    def unlock(self) -> None:
        """Unlock it."""
        self.call("pthread_mutex_unlock", self.memory)


def hold(mutex: Mutex, begun: threading.Event, seconds: float) -> None:
    """Be slow while the mutex is locked (in a thread of the parent)."""
    mutex.lock()
    begun.set()
    time.sleep(seconds)
    mutex.unlock()


def work(rank: int, mutex: Mutex) -> None:
    """Lock the mutex for a moment; runs in the child."""
    mark(rank, "blocking")
    mutex.lock()
    mark(rank, "acquired")
    mutex.unlock()


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
    parser.add_argument("--variant", choices=KINDS, default="normal", help="the kind of mutex (default: normal)")
    parser.add_argument("--mitigate", choices=MITIGATIONS, metavar="SLUG", help="apply a cure, see above")
    parser.add_argument("--hold", type=float, default=0.5, metavar="S", help="seconds to be slow (default: 0.5)")
    chosen = parser.parse_args()
    if chosen.mitigate == "acquire-before-fork" and chosen.variant != "normal":
        parser.error(f"--mitigate acquire-before-fork: a child may not unlock a mutex of kind {chosen.variant}")
    return chosen


def main() -> None:
    """Be slow under the mutex in a thread, fork, wait for the child."""
    chosen = options()
    rank = mpi_rank()
    mark(rank, "start")
    mutex = Mutex(chosen.variant)
    begun = threading.Event()
    holder = threading.Thread(target=hold, args=(mutex, begun, chosen.hold), name="holder")

    if chosen.mitigate == "acquire-before-fork":
        os.register_at_fork(before=mutex.lock, after_in_parent=mutex.unlock, after_in_child=mutex.unlock)
    multiprocessing.set_start_method(chosen.mitigate if chosen.mitigate in ("spawn", "forkserver") else "fork")
    child = multiprocessing.Process(target=work, args=(rank, mutex))

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
