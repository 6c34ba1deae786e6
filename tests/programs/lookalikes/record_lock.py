"""Healthy: a record lock is waited for without a time-out, while its holder works.

The argument says which: `ofd` (F_OFD_SETLKW; the holder is a grandchild that got the open file description by fork from
a process that has ended), `posix` (F_SETLKW). Looks hung: /proc/locks shows pid -1, or a holder that shows no
descriptor of the locked range in its `fdinfo`.
"""

import fcntl
import os
import struct
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


WRITE_LOCK = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)


def hold(how: str, path: str, tell: int) -> None:
    """Take the lock, say so, work, and leave it to the end of the process to give it up."""
    file = os.open(path, os.O_RDWR)
    if how == "ofd":
        fcntl.fcntl(file, fcntl.F_OFD_SETLKW, WRITE_LOCK)
        if os.fork() != 0:
            os._exit(0)
    else:
        fcntl.lockf(file, fcntl.LOCK_EX)
    os.write(tell, b"x")
    os.close(tell)
    work()
    mark("look-alike-ends")
    os._exit(0)


def main() -> int:
    how = sys.argv[1]
    with tempfile.NamedTemporaryFile(prefix="hangprobe-look-alike-") as file:
        hear, tell = os.pipe()
        holder = os.fork()
        if holder == 0:
            os.close(file.fileno())
            hold(how, file.name, tell)
        os.close(tell)
        os.read(hear, 1)
        mark("look-alike")
        if how == "ofd":
            fcntl.fcntl(file, fcntl.F_OFD_SETLKW, WRITE_LOCK)
        else:
            fcntl.lockf(file, fcntl.LOCK_EX)
        return 0 if os.waitpid(holder, 0)[1] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
