"""Healthy: a FIFO opened with O_RDWR is read; a stranger, who holds nothing of it, opens it by name late and writes.

Looks hung: the reader itself is the only holder of the write end, and no other process has the FIFO open.
"""

import os
import subprocess
import sys
import tempfile
import time

WORK = "for n in $(seq 84); do sleep 0.05; done"  # short rests: no sleep is as old as the wait


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="hangprobe-look-alike-") as folder:
        path = f"{folder}/fifo"
        os.mkfifo(path)
        stranger = subprocess.Popen(["sh", "-c", f'{WORK}; printf x >"$0"', path], start_new_session=True)
        fifo = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        mark("look-alike")
        byte = os.read(fifo, 1)
        mark("look-alike-ends")
        return 0 if byte == b"x" and stranger.wait() == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
