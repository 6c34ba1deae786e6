"""Threads of a pool wait for work (a lock without a time-out), and the main thread for their results."""

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing.pool import ThreadPool

with ThreadPoolExecutor(8) as executor:
    for future in as_completed([executor.submit(time.sleep, 0.1 * number) for number in range(16)]):
        future.result()
with ThreadPool(4) as pool:
    pool.map(time.sleep, [0.5] * 8)
    time.sleep(1)
    pool.map(time.sleep, [0.1] * 8)
