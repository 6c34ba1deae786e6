"""Healthy, and looks hung: a forked child is parked in Event().wait() while its parent computes.

The child waits for a lock that no thread of it holds, exactly as after a fork under a held lock. But the parent works,
and terminates the child at the end. Needs nothing but Python; ends by itself, with status 0.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time

SECONDS = 1.2
"""Four samples of the watchdog, one every quarter of a second."""


def main() -> None:
    """Compute beside a parked child, then terminate it."""
    child = os.fork()
    if child == 0:
        threading.Event().wait()
        os._exit(1)
    end, block = time.monotonic() + SECONDS, b""
    while time.monotonic() < end:
        block = hashlib.sha256(block * 10000).digest()
        time.sleep(0.01)
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
