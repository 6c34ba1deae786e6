"""Healthy: the main thread sleeps beside a helper that is parked for ever, and ends it afterwards.

The argument says what the helper is: `process`, a forked child in Event().wait(); `thread`, a daemon thread in it.
Looks hung: nothing of the program runs, and the helper waits for a lock that nobody holds.
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
    is_process, parked = sys.argv[1] == "process", 0
    never = threading.Event()
    if is_process:
        parked = os.fork()
        if parked == 0:
            never.wait()
    else:
        threading.Thread(target=never.wait, daemon=True).start()
    mark("look-alike")
    time.sleep(SECONDS)
    mark("look-alike-ends")
    if not is_process:
        never.set()
        return 0
    os.kill(parked, signal.SIGTERM)
    return 0 if os.waitstatus_to_exitcode(os.waitpid(parked, 0)[1]) == -signal.SIGTERM else 1


if __name__ == "__main__":
    sys.exit(main())
