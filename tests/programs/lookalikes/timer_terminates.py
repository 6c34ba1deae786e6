"""Healthy: the main thread joins a child that is parked for ever; a Timer terminates the child after 14 s.

Looks hung: the main thread waits for its child without a time-out, the child waits for a Python lock that no thread of
it holds, and neither catches a signal: in all but one thing a fork under a lock. 14 s: longer than any grace period.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time

SECONDS = 14.0


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def park() -> None:
    mark("look-alike")
    threading.Event().wait()


def main() -> int:
    multiprocessing.set_start_method("fork")
    child = multiprocessing.Process(target=park)
    child.start()

    def end() -> None:
        mark("look-alike-ends")
        child.terminate()

    threading.Timer(SECONDS, end).start()
    child.join()
    return 0 if child.exitcode == -signal.SIGTERM else 1


if __name__ == "__main__":
    sys.exit(main())
