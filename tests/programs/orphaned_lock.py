"""Fork a child that blocks for ever on a lock, and wait for it. argv: KIND, and whether the parent `stays` or `leaves`.

Prints the child's pid and then waits; ended by whoever started it. The holder thread keeps the lock until then.
"""

from __future__ import annotations

import array
import fcntl
import io
import os
import sys
import termios
import threading
from collections.abc import Callable


def main() -> None:
    """Block a child in the way that the command line names."""
    kind, parent = sys.argv[1:]
    held, never = threading.Event(), threading.Event()
    lock: threading.Lock | threading.RLock = threading.RLock() if kind == "rlock" else threading.Lock()
    reading, writing = os.pipe()
    stream = io.BufferedWriter(io.FileIO(writing, "w"), buffer_size=1024)

    def hold_lock() -> None:
        with lock:
            held.set()
            never.wait()

    def hold_stream() -> None:
        held.set()
        stream.write(bytes(1 << 20))  # more than a pipe takes: blocks with the stream's lock

    def take_lock() -> None:
        lock.acquire()

    def take_stream() -> None:
        stream.write(b"x")
        stream.flush()

    def take_own_twice() -> None:
        own = threading.Lock()
        own.acquire()
        own.acquire()

    takers: dict[str, Callable[[], None]] = {"buffered-io": take_stream, "younger": take_own_twice}
    if kind != "younger":
        threading.Thread(target=hold_stream if kind == "buffered-io" else hold_lock, daemon=True).start()
        held.wait()
        while kind == "buffered-io" and not _is_full(reading):
            os.sched_yield()
    child = os.fork()
    if child == 0:
        takers.get(kind, take_lock)()
        os._exit(1)
    print(child, flush=True)
    if parent == "leaves":
        os._exit(0)
    os.waitpid(child, 0)


def _is_full(descriptor: int) -> bool:
    """Tell whether a pipe holds as much as it takes (64 KiB by default: pipe(7))."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0] >= 65536


if __name__ == "__main__":
    main()
