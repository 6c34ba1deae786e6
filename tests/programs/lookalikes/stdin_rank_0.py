"""Healthy: rank 0 reads its standard input, `slow | mpiexec`; the other rank works meanwhile.

Looks hung: rank 0 waits in read() on a pipe of its launcher, as a rank does whose standard input never ends.
"""

import os
import sys
import time

SECONDS = 4.2


def mark(rank: int, word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-{rank}.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def main() -> int:
    rank = int(os.environ["PMI_RANK"])
    if rank != 0:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(0.01)
        return 0
    mark(rank, "look-alike")
    text = sys.stdin.read()
    mark(rank, "look-alike-ends")
    return 0 if text == "hi\n" else 1


if __name__ == "__main__":
    sys.exit(main())
