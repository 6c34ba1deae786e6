"""A fork while a thread is busy under a lock: what most of the workloads that hang have in common."""

from __future__ import annotations

import os
import threading
from typing import Callable

HOLD_S = 0.5
"""How long a thread holds its lock: the fork comes at once, so that a machine under load cannot miss it."""


def fork_under(hold: Callable[[threading.Event], None], use: Callable[[], None]) -> None:
    """Fork while a thread is in `hold`, run `use` in the child, wait for the child and the thread.

    `hold` sets its event once it has the lock, keeps it for HOLD_S and releases it: in this process the lock is free
    again, and the child's copy never is.
    """
    begun = threading.Event()
    thread = threading.Thread(target=hold, args=(begun,), name="holder")
    thread.start()
    begun.wait()
    in_child(use)
    thread.join()


def in_child(work: Callable[[], None]) -> None:
    """Run something in a forked child and wait for it; raises ChildFailed if it fails."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if status:
        raise ChildFailed(f"the child ended with status {status}")


class ChildFailed(Exception):
    """A forked child has failed instead of hanging or completing."""
