"""Healthy: `producer | mpiexec -s all`: every rank reads the lines that the producer writes slowly, until the end.

The argument is the number of lines that are to come.
Looks hung: ranks 1 to N wait in read() on a pipe of their launcher, which without `-s all` would never end for them.
"""

import os
import sys
import time


def mark(rank: int, word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-{rank}.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def main() -> int:
    rank = int(os.environ["PMI_RANK"])
    mark(rank, "look-alike")
    lines = sys.stdin.read().splitlines()
    mark(rank, "look-alike-ends")
    return 0 if len(lines) == int(sys.argv[1]) else 1


if __name__ == "__main__":
    sys.exit(main())
