"""A multiprocessing.Pool: busy, idle, and with workers that are replaced after each task."""

import multiprocessing
import time

context = multiprocessing.get_context("fork")
with context.Pool(3) as pool:
    pool.map(time.sleep, [0.4] * 9)
    time.sleep(1.5)
    pool.map(time.sleep, [0.2] * 6)
with context.Pool(2, maxtasksperchild=1) as pool:
    pool.map(time.sleep, [0.2] * 8, chunksize=1)
pool.join()
