"""Forks while a thread holds a lock that the child wants; without MPI (a program under inspection).

The thread lets the lock go after the fork and ends, so that nothing lives beside the hang; with the argument `beside`
another thread lives until somebody opens the FIFO of that name. Writes `child` (a pid). If the child is ended by
somebody, it leaves with status 7.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

lock = threading.Lock()
held = threading.Event()
forked = threading.Event()


def hold() -> None:
    """Hold the lock while the main thread forks."""
    with lock:
        held.set()
        forked.wait()


holder = threading.Thread(target=hold)
holder.start()
held.wait()
child = os.fork()
if child == 0:
    lock.acquire()
    os._exit(1)
forked.set()
holder.join()
if sys.argv[1:] == ["beside"]:
    threading.Thread(target=lambda: Path("beside").read_bytes()).start()
Path("child.part").write_text(str(child))
Path("child.part").rename("child")
os.waitpid(child, 0)
raise SystemExit(7)
