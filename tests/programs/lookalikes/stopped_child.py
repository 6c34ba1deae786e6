"""Healthy: a debugger's stop: the program is stopped (state T) for some seconds, then goes on.

The argument says who is stopped: `child`, which the main thread waits for, or `self`, all of the program.
Looks hung: nothing runs. Who sends SIGCONT is a shell in a session of its own.
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
    if sys.argv[1] == "self":
        return be_stopped()
    child = os.fork()
    if child == 0:
        os._exit(be_stopped())
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def be_stopped() -> int:
    line = f'{WORK}; kill -CONT "$0"'
    debugger = subprocess.Popen(["sh", "-c", line, str(os.getpid())], start_new_session=True)
    mark("look-alike")
    os.kill(os.getpid(), signal.SIGSTOP)
    mark("look-alike-ends")
    return debugger.wait()


if __name__ == "__main__":
    sys.exit(main())
