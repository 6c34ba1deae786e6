"""A child's feeder thread waits in a full pipe until its parent, which is late, reads."""

import multiprocessing
import time

context = multiprocessing.get_context("fork")
queue: "multiprocessing.Queue[bytes]" = context.Queue()
child = context.Process(target=queue.put, args=(b"x" * 5_000_000,))
child.start()
time.sleep(3)
assert len(queue.get()) == 5_000_000
child.join()
