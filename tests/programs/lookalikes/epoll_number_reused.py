"""Healthy: epoll_wait() is woken by a pipe whose descriptor number was closed and given to another pipe since.

A duplicate keeps the first pipe registered; its writer is late. Looks hung to who looks up the registered number: under
it stands a pipe of which the process itself is the only holder, so that nobody could ever write.
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
    reading, writing = os.pipe()
    writer = os.fork()
    if writer == 0:
        work()
        mark("look-alike-ends")
        os.write(writing, b"x")
        os._exit(0)
    os.close(writing)
    epoll = select.epoll()
    epoll.register(reading, select.EPOLLIN)
    kept = os.dup(reading)
    dead, own = os.pipe()
    os.dup2(dead, reading)  # closes the number that was registered, and gives it to the dead pipe
    mark("look-alike")
    events = epoll.poll()
    byte = os.read(kept, 1)
    os.close(own)
    return 0 if events and byte == b"x" and os.waitpid(writer, 0)[1] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
