"""Healthy: a forked daemon waits for a signal, in sigwait(); a stranger sends it late.

Looks hung: the main thread waits for the daemon without a time-out, and nobody catches a signal: a signal that is
waited for is blocked, and has no handler.
"""

import os
import signal
import subprocess
import sys
import time

WORK = "for n in $(seq 84); do sleep 0.05; done"  # short rests: no sleep is as old as the wait


def mark(word: str) -> None:
    if folder := os.environ.get("HANGPROBE_MARKS"):
        with open(f"{folder}/rank-0.marks", "a") as file:
            file.write(f"{time.monotonic():.6f} {os.getpid()} {word}\n")


def main() -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    daemon = os.fork()
    if daemon == 0:
        mark("look-alike")
        signal.sigwait({signal.SIGTERM})
        mark("look-alike-ends")
        os._exit(7)
    line = f'{WORK}; kill -TERM "$0"'
    stranger = subprocess.Popen(["sh", "-c", line, str(daemon)], start_new_session=True)
    _, status = os.waitpid(daemon, 0)
    return 0 if os.waitstatus_to_exitcode(status) == 7 and stranger.wait() == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
