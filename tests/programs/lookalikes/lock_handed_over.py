"""Healthy: who took a flock() hands the descriptor to another process (SCM_RIGHTS) and ends; that one works and closes.

Looks hung: the waiter is blocked in flock(), and the holder that /proc/locks names is gone. The true holder was never
its relative by fork: its `lock:` line stands in /proc/PID/fdinfo only.
"""

import fcntl
import os
import socket
import sys
import tempfile
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


def take_over(far: socket.socket) -> None:
    _, (kept,), _, _ = socket.recv_fds(far, 1, 1)
    work()
    mark("look-alike-ends")
    os.close(kept)
    os._exit(0)


def take_and_hand_over(near: socket.socket, path: str) -> None:
    taken = os.open(path, os.O_RDWR)
    fcntl.flock(taken, fcntl.LOCK_EX)
    socket.send_fds(near, [b"x"], [taken])
    os._exit(0)


def main() -> int:
    near, far = socket.socketpair()
    with tempfile.NamedTemporaryFile(prefix="hangprobe-look-alike-") as file:
        worker = os.fork()
        if worker == 0:
            near.close()
            take_over(far)
        far.close()
        taker = os.fork()
        if taker == 0:
            take_and_hand_over(near, file.name)
        os.waitpid(taker, 0)
        own = os.open(file.name, os.O_RDWR)
        mark("look-alike")
        fcntl.flock(own, fcntl.LOCK_EX)
        return 0 if os.waitpid(worker, 0)[1] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
