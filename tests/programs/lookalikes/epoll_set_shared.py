"""Healthy: epoll_wait() returns because another holder of the epoll descriptor adds to its set, late.

Looks hung: the only registered pipe is one of which the process itself is the only holder; nobody could ever write.
"""

import os
import select
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
    with select.epoll() as epoll:
        adder = os.fork()
        if adder == 0:
            work()
            ready, own = os.pipe()
            os.write(own, b"x")
            mark("look-alike-ends")
            epoll.register(ready, select.EPOLLIN)
            time.sleep(0.2)  # what a process registers goes when it ends
            os._exit(0)
        dead, kept = os.pipe()
        epoll.register(dead, select.EPOLLIN)
        mark("look-alike")
        events = epoll.poll()
        os.close(kept)
        return 0 if events and os.waitpid(adder, 0)[1] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
