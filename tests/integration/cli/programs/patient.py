"""Waits without a time-out for SIGTERM, which it catches: patient.py pause|event|child (a program under inspection)."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

asked = threading.Event()


def serve() -> None:
    """Wait for an Event that the signal's handler sets."""
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    Path("ready").touch()
    asked.wait()


def pause() -> None:
    """Wait for any signal; the handler does nothing."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    Path("ready").touch()
    signal.pause()


def employ() -> None:
    """Wait for a forked child that waits like this; pass the signal on."""
    child = os.fork()
    if child == 0:
        serve()
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    os.waitpid(child, 0)


{"pause": pause, "event": serve, "child": employ}[sys.argv[1]]()
print("left in an orderly way")
