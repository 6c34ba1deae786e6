"""Workloads that hang under any launcher: locks that processes share, and that outlive who took them."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import socket
import threading
from typing import Any

from hangprobe.ensemble.subject import task
from hangprobe.ensemble.subject.forking import in_child


def flock(number: int, folder: str | None = None) -> None:
    """Lock the node's ledger, start a helper that stands by, close the ledger: the helper still has the lock.

    The first task of a node ends, the others of that node wait. `folder`: where the ledger is; None: beside the
    worker's marks, one a node, so that it goes with the trial.
    """
    place = folder or os.path.join(task.marks_folder(), "ledgers")
    os.makedirs(place, exist_ok=True)
    with open(os.path.join(place, socket.gethostname()), "ab") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)
        ledger.write(b"task %d was here\n" % number)
        ledger.flush()
        if os.fork() == 0:
            threading.Event().wait()
            os._exit(0)


def mp_lock(number: int) -> None:
    """Kill a child that holds a multiprocessing.Lock, and let another one take it."""
    context = multiprocessing.get_context("fork")
    lock, begun = context.Lock(), context.Event()
    holder = context.Process(target=_hold, args=(lock, begun))
    holder.start()
    begun.wait()
    holder.kill()
    holder.join()

    def use() -> None:
        with lock:
            pass

    in_child(use)


def _hold(lock: Any, begun: Any) -> None:
    with lock:
        begun.set()
        threading.Event().wait()
