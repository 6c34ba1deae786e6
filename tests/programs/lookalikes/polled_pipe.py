"""Healthy: a pipe is waited for in select(), poll() or epoll_wait() without a time-out; its writer is late.

The argument says by which call. Looks hung: nothing else runs, and a parked child holds the write end as well.
"""

import os
import select
import signal
import sys
import threading
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


def wait_for(descriptor: int, how: str) -> None:
    if how == "select":
        select.select([descriptor], [], [])
    elif how == "poll":
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.poll()
    else:
        with select.epoll() as epoll:
            epoll.register(descriptor, select.EPOLLIN)
            epoll.poll()


def main() -> int:
    reading, writing = os.pipe()
    parked = os.fork()
    if parked == 0:
        threading.Event().wait()
    writer = os.fork()
    if writer == 0:
        work()
        mark("look-alike-ends")
        os.write(writing, b"x")
        os._exit(0)
    os.close(writing)
    mark("look-alike")
    wait_for(reading, sys.argv[1])
    byte = os.read(reading, 1)
    os.kill(parked, signal.SIGKILL)
    os.waitpid(parked, 0)
    return 0 if byte == b"x" and os.waitpid(writer, 0)[1] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
