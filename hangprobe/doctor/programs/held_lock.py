"""Hangs: a thread holds a lock while the main thread forks, and the child wants that lock.

The thread goes on and releases the parent's copy; the child's copy stays held for ever, for the thread does not exist
there. The main thread waits for the child. Needs nothing but Python; run it, and end it with Ctrl-C.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading

PR_SET_PDEATHSIG = 1
"""linux/prctl.h: the child dies with its parent, so that nobody needs to look for it."""


def main() -> None:
    """Fork under a held lock, let it be released, and wait for the child."""
    lock, held, forked = threading.Lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            forked.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    libc = ctypes.CDLL(None)
    child = os.fork()
    if child == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        lock.acquire()
        os._exit(0)
    forked.set()
    holder.join()
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
