"""Healthy: the main thread waits in subprocess.run() for a daemon that has a SIGTERM handler; a shell sends it later.

Looks hung: the main thread catches nothing and waits for its child without a time-out; the child, a program of its
own, waits for a Python lock that no thread of it holds.
"""

import os
import signal
import subprocess
import sys
import threading
import time

WORK = "for n in $(seq 84); do sleep 0.05; done"  # short rests: no sleep is as old as the wait


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def serve(told: int) -> None:
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    os.write(told, f"{os.getpid()}\n".encode())
    os.close(told)
    mark("look-alike")
    stopping.wait()
    mark("look-alike-ends")


def main() -> int:
    if len(sys.argv) > 1:
        serve(int(sys.argv[1]))
        return 0
    hear, tell = os.pipe()
    stopper = subprocess.Popen(["sh", "-c", f'read pid && {WORK} && kill -TERM "$pid"'], stdin=hear)
    os.close(hear)
    done = subprocess.run([sys.executable, __file__, str(tell)], pass_fds=(tell,), check=False)
    os.close(tell)
    return done.returncode or stopper.wait()


if __name__ == "__main__":
    sys.exit(main())
