"""Starts threads that wait for a word each, says their TIDs, and lets the one run whose number it reads."""

import os
import sys
import threading

COUNT = 4


def serve(ready: list[tuple[int, int]], ends: tuple[int, int], done: int) -> None:
    ready.append((threading.get_native_id(), ends[1]))
    while os.read(ends[0], 1):
        os.write(done, b".")


told, tell = os.pipe()
ready: list[tuple[int, int]] = []
for _ in range(COUNT):
    threading.Thread(target=serve, args=(ready, os.pipe(), tell), daemon=True).start()
while len(ready) < COUNT:
    os.sched_yield()
print(*(tid for tid, _ in ready), flush=True)
for line in sys.stdin:
    os.write(ready[int(line)][1], b"x")
    os.read(told, 1)
    print("done", flush=True)
