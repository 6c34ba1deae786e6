"""A job for a launcher without MPI: `after_fork.py NUMBER [STATUS FILE]`.

Ends with a status a moment after a file has come; without one number 3 waits for ever for a child that waits for a
lock which nobody has in it, and the others work until they are ended.
"""

from __future__ import annotations

import os
import sys
import threading
import time


def main() -> int:
    """Do what the words say."""
    number = sys.argv[1]
    if len(sys.argv) > 2:
        while not os.path.exists(sys.argv[3]):
            time.sleep(0.05)
        time.sleep(2.0)  # for an observer that has begun to look and to tell
        return int(sys.argv[2])
    if number != "3":
        while True:
            time.sleep(0.1)
    lock = threading.Lock()
    with lock:
        child = os.fork()
        if child == 0:
            lock.acquire()
        os.waitpid(child, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
