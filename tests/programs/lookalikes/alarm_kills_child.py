"""Healthy: a parked child has set an alarm for itself (alarm(5)); its default action ends it and frees its parent.

Looks hung: the child waits for a Python lock that no thread of it holds, its parent waits for the child, nobody catches
a signal, and ITIMER_REAL stands nowhere in /proc (/proc/PID/timers lists POSIX timers only).
"""

import os
import signal
import sys
import threading
import time

SECONDS = 4.2


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def main() -> int:
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        mark("look-alike")
        threading.Event().wait()
    _, status = os.waitpid(child, 0)
    mark("look-alike-ends")
    return 0 if os.waitstatus_to_exitcode(status) == -signal.SIGALRM else 1


if __name__ == "__main__":
    sys.exit(main())
