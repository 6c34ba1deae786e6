"""Healthy: recv() on a socket is ended by another holder of one's own end, who shuts it down late.

Looks hung: the only holder of the peer's end is a parked child. Nobody who could send is left.
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


def main() -> int:
    near, far = socket.socketpair()
    parked = os.fork()
    if parked == 0:
        near.close()
        threading.Event().wait()
    far.close()
    closer = os.fork()
    if closer == 0:
        work()
        mark("look-alike-ends")
        near.shutdown(socket.SHUT_RD)
        os._exit(0)
    mark("look-alike")
    data = near.recv(1)
    os.kill(parked, signal.SIGKILL)
    os.waitpid(parked, 0)
    return 0 if data == b"" and os.waitpid(closer, 0)[1] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
