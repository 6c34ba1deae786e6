"""Forked children wait for an Event, a Condition and a Barrier in shared memory."""

import multiprocessing
import time

context = multiprocessing.get_context("fork")
ready, go = context.Barrier(4), context.Event()


def race() -> None:
    """Meet, wait for the start, run."""
    ready.wait()
    go.wait()
    time.sleep(0.5)
    ready.wait()


children = [context.Process(target=race) for _ in range(3)]
for child in children:
    child.start()
ready.wait()
time.sleep(2.5)
go.set()
ready.wait()
for child in children:
    child.join()
