"""Healthy: the late writer of a pipe is a child with PR_SET_DUMPABLE = 0.

Looks hung (to an ordinary user): the reader keeps a write end of its own, and the descriptors of the only other holder
cannot be read. Root can read them, and sees a writer at work.
"""

import ctypes
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


PR_SET_DUMPABLE = 4  # linux/prctl.h


def main() -> int:
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        work()
        mark("look-alike-ends")
        os.write(writing, b"x")
        os._exit(0)
    mark("look-alike")
    byte = os.read(reading, 1)
    _, status = os.wait()
    return 0 if byte == b"x" and status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
