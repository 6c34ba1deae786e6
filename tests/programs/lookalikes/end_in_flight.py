"""Healthy: a pipe's only other write end is in flight inside a unix socket (SCM_RIGHTS), and is taken out late.

Looks hung: the reader keeps a write end of its own, and no other descriptor of the pipe stands anywhere in /proc.
"""

import os
import socket
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


def take_out_late(box: socket.socket) -> None:
    work()
    _, (writing,), _, _ = socket.recv_fds(box, 1, 1)
    mark("look-alike-ends")
    os.write(writing, b"x")
    os._exit(0)


def main() -> int:
    near, far = socket.socketpair()
    if os.fork() == 0:
        near.close()
        take_out_late(far)  # forked before the pipe is made: it holds no end of it
    far.close()
    reading, writing = os.pipe()
    socket.send_fds(near, [b"x"], [writing])
    mark("look-alike")
    byte = os.read(reading, 1)
    _, status = os.wait()
    return 0 if byte == b"x" and status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
