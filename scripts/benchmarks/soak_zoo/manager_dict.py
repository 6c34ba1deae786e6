"""Children share a Manager's dictionary and lock: every access is a question to a server over a unix socket."""

import multiprocessing
import time
from collections.abc import MutableMapping
from threading import Lock

context = multiprocessing.get_context("fork")


def count(shared: MutableMapping[str, int], lock: Lock) -> None:
    """Count up, a few times."""
    for _ in range(10):
        with lock:
            value = shared["count"]
            time.sleep(0.05)
            shared["count"] = value + 1


with context.Manager() as manager:
    numbers, guard = manager.dict(count=0), manager.Lock()
    children = [context.Process(target=count, args=(numbers, guard)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert numbers["count"] == 40
