"""Healthy: a subreaper waits for any child; it is a grandchild's child that it adopts and that ends late.

Looks hung: at first the only children of the waiting process are dead to the world, a parked one that never ends. But
below that one a process ends, its own child goes to the subreaper, and the end of that one ends the wait.
"""

import ctypes
import os
import signal
import sys
import threading
import time

SECONDS = 4.2


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def work(seconds: float) -> None:
    """Work with short rests: a waker in one long sleep could be waited for, this one has to be found."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.005)


PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def park_above_an_orphan() -> None:
    """Start a child that starts a child and leaves it, then wait for ever."""
    if os.fork() == 0:
        if os.fork() == 0:
            work(SECONDS)
            mark("look-alike-ends")
            os._exit(7)
        work(SECONDS / 2)
        os._exit(0)
    mark("look-alike")
    threading.Event().wait()


def main() -> int:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    parked = os.fork()
    if parked == 0:
        park_above_an_orphan()
    pid, status = os.waitpid(-1, 0)
    os.kill(parked, signal.SIGKILL)
    os.waitpid(parked, 0)
    return 0 if pid != parked and os.waitstatus_to_exitcode(status) == 7 else 1


if __name__ == "__main__":
    sys.exit(main())
