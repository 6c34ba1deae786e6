"""Healthy: each rank of a job works while a forked helper of it is parked, and terminates the helper at the end.

Two such jobs below one program, or one in a rank of another job, have the same rank numbers. Looks hung, asked about
alone: the helper has the variables of a rank in its environment.
"""

import hashlib
import multiprocessing
import os
import signal
import sys
import threading
import time

SECONDS = float(os.environ.get("HANGPROBE_LOOK_ALIKE_S", "4.2"))


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-{os.environ.get('PMI_RANK', '0')}.marks", "a") as file:
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
