"""Forked workers wait at one queue (a shared semaphore, then a pipe) while the parent produces slowly."""

import multiprocessing
import time

context = multiprocessing.get_context("fork")
tasks: "multiprocessing.Queue[int | None]" = context.Queue()
results: "multiprocessing.Queue[int]" = context.Queue()


def work() -> None:
    """Square what comes until there is nothing more."""
    while (number := tasks.get()) is not None:
        results.put(number * number)


workers = [context.Process(target=work) for _ in range(4)]
for worker in workers:
    worker.start()
for value in range(20):
    tasks.put(value)
    time.sleep(0.15)
assert sum(results.get() for _ in range(20)) == sum(value * value for value in range(20))
for _ in workers:
    tasks.put(None)
for worker in workers:
    worker.join()
