"""Workloads that hang by what the launcher has given the manager: descriptor 0, and who waits for 1 and 2.

A worker has its manager's descriptors, whatever the start method: multiprocessing replaces only sys.stdin.
"""

from __future__ import annotations

import os
import subprocess
import time


def stdin_child(number: int) -> None:
    """Start a program that reads its standard input to the end, as ffmpeg and ssh do unasked."""
    subprocess.run(["cat"], stdout=subprocess.DEVNULL, check=True)


def stdin_fork(number: int) -> None:
    """Fork a child that reads descriptor 0 to its end, and wait for it."""
    child = os.fork()
    if child == 0:
        while os.read(0, 4096):
            pass
        os._exit(0)
    os.waitpid(child, 0)


def kept_stdout(number: int, seconds: float = 600.0) -> None:
    """Leave a daemon, in a session of its own, that keeps the descriptors it was born with."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork() == 0:
        time.sleep(seconds)
    os._exit(0)
