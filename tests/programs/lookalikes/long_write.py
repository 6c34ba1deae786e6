"""Healthy: one long write() into a pipe whose reader is busy with something else for some seconds.

Looks hung: the same system call with the same arguments all the time, and the other holder of the pipe, the child, does
not read; the child also keeps a write end.
"""

import os
import sys
import time

SECONDS = 4.2


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def work() -> None:
    """Work with short rests: a waker in one long sleep could be waited for, this one has to be found."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.005)


SIZE = 1 << 20


def main() -> int:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        work()
        mark("look-alike-ends")
        left = SIZE
        while left > 0:
            left -= len(os.read(reading, 65536))
        os._exit(0)
    mark("look-alike")
    written = os.write(writing, bytes(SIZE))
    return 0 if written == SIZE and os.waitpid(child, 0)[1] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
