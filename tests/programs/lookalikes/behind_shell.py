"""Healthy: ranks behind a shell: `sh -c 'python work; ...'` with a parked helper of the shell's beside it.

Without an argument this program forks a child that works, and waits for it; `park`: it waits for ever, until the shell
ends it. Looks hung: the shell waits, its first child is parked, and the program's main thread waits for a child too.
"""

import os
import sys
import threading
import time

SECONDS = 4.2


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-{os.environ.get('PMI_RANK', '0')}.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def main() -> int:
    if sys.argv[1:] == ["park"]:
        threading.Event().wait()
    child = os.fork()
    if child == 0:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(0.01)
        os._exit(0)
    mark("look-alike")
    _, status = os.waitpid(child, 0)
    mark("look-alike-ends")
    return 0 if status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
