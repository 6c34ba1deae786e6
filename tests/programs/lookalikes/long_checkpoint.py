"""Healthy: a forked child writes a checkpoint for some seconds, block after block, each put on the disk by fsync().

Looks hung: the main thread waits for it without a time-out; the child is mostly in uninterruptible sleep (state D).
"""

import os
import sys
import tempfile
import time

SECONDS = 4.2


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


BLOCK = 1 << 20


def write_checkpoint(path: str) -> None:
    end, blocks = time.monotonic() + SECONDS, 0
    with open(path, "wb") as file:
        while time.monotonic() < end:
            file.seek(blocks % 32 * BLOCK)
            file.write(os.urandom(BLOCK))
            file.flush()
            os.fsync(file.fileno())
            blocks += 1
    mark("look-alike-ends")
    os._exit(0 if blocks else 1)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="hangprobe-look-alike-") as folder:
        child = os.fork()
        if child == 0:
            write_checkpoint(f"{folder}/checkpoint")
        mark("look-alike")
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
