"""Healthy: a writer waits on a full pipe; another holder of the write end makes the pipe larger, late.

Looks hung: the only read end is the writer's own. But F_SETPIPE_SZ wakes writers, and any holder may call it.
"""

import fcntl
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


def main() -> int:
    reading, writing = os.pipe()
    size = fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ)
    if os.fork() == 0:
        os.close(reading)
        work()
        mark("look-alike-ends")
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 2 * size)
        os._exit(0)
    os.write(writing, bytes(size))
    mark("look-alike")
    written = os.write(writing, b"x")
    _, status = os.wait()
    return 0 if written == 1 and status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
