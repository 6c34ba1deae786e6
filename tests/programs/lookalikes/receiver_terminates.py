"""Healthy: the main thread joins a parked child; another thread waits in recv() for the word to terminate the child.

Looks hung: the main thread waits for its child without a time-out, the child waits for a Python lock that no thread of
it holds. Only the thread in recv() can end it, and that has no time-out either; the word comes late, from a stranger in
a session of its own.
"""

import os
import signal
import socket
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


def send_late(far: socket.socket) -> None:
    """Be a stranger: a process of its own session, whose parent has gone."""
    if os.fork() == 0:
        os.setsid()
        work()
        mark("look-alike-ends")
        far.send(b"x")
    os._exit(0)


def main() -> int:
    near, far = socket.socketpair()
    middle = os.fork()
    if middle == 0:
        near.close()
        send_late(far)
    far.close()
    os.waitpid(middle, 0)
    child = os.fork()
    if child == 0:
        near.close()
        mark("look-alike")
        threading.Event().wait()

    def terminate_when_told() -> None:
        if near.recv(1) == b"x":
            os.kill(child, signal.SIGTERM)

    threading.Thread(target=terminate_when_told).start()
    _, status = os.waitpid(child, 0)
    return 0 if os.waitstatus_to_exitcode(status) == -signal.SIGTERM else 1


if __name__ == "__main__":
    sys.exit(main())
