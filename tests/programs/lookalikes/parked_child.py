"""Healthy: a daemon child waits in Event().wait() while its parent computes, and is terminated at the end.

Looks hung: one thread, forked without exec, no signal caught, waiting for a Python lock that no thread of it holds;
exactly a lock orphaned by the fork. Only that the parent's main thread works tells them apart.
"""

import hashlib
import multiprocessing
import os
import signal
import sys
import threading
import time

SECONDS = 4.2


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def park() -> None:
    mark("look-alike")
    threading.Event().wait()


def main() -> int:
    multiprocessing.set_start_method("fork")
    child = multiprocessing.Process(target=park, daemon=True)
    child.start()
    end, block = time.monotonic() + SECONDS, b""
    while time.monotonic() < end:
        block = hashlib.sha256(block * 10000).digest()
        time.sleep(0.01)
    mark("look-alike-ends")
    child.terminate()
    child.join()
    return 0 if child.exitcode == -signal.SIGTERM else 1


if __name__ == "__main__":
    sys.exit(main())
