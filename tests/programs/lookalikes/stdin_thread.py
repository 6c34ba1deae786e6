"""Healthy: a daemon thread reads standard input for commands, while the main thread works and finishes.

Looks hung: under mpiexec the standard input of ranks 1 to N never ends, so the thread waits there for ever.
"""

import os
import threading
import time

SECONDS = 4.2


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-{os.environ.get('PMI_RANK', '0')}.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def listen() -> None:
    while os.read(0, 4096):
        pass


def main() -> None:
    threading.Thread(target=listen, daemon=True).start()
    mark("look-alike")
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.01)
    mark("look-alike-ends")
    os._exit(0)  # the thread holds no lock that the interpreter's end could want; this is the usual way out


if __name__ == "__main__":
    main()
