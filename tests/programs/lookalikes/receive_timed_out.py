"""Healthy: recv() on a socket with SO_RCVTIMEO whose peer is parked; the receiver gives up late and ends the peer.

The argument says who receives: `child`, a forked one that its parent waits for; `thread`, one that main joins.
Looks hung: /proc shows an untimed recvfrom (the time-out is the socket's), and the only holder of the other end waits
for a lock for ever.
"""

import os
import signal
import socket
import struct
import sys
import threading
import time

SECONDS = 4.2


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def receive(near: socket.socket, parked: int) -> bool:
    """Wait for what never comes; the receiver's own time-out ends it."""
    near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(SECONDS), 200_000))
    mark("look-alike")
    try:
        near.recv(1)
    except BlockingIOError:
        mark("look-alike-ends")
        os.kill(parked, signal.SIGKILL)
        return True
    return False


def main() -> int:
    near, far = socket.socketpair()
    parked = os.fork()
    if parked == 0:
        near.close()
        threading.Event().wait()
    far.close()
    outcomes: list[bool] = []
    if sys.argv[1] == "child":
        receiver = os.fork()
        if receiver == 0:
            os._exit(0 if receive(near, parked) else 1)
        outcomes.append(os.waitpid(receiver, 0)[1] == 0)
    else:
        thread = threading.Thread(target=lambda: outcomes.append(receive(near, parked)))
        thread.start()
        thread.join()
    os.waitpid(parked, 0)
    return 0 if outcomes == [True] else 1


if __name__ == "__main__":
    sys.exit(main())
