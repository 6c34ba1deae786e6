"""Tasks that look like hung ones and are healthy: they end by themselves, after the window in which they may stall.

A user's module: `healthy_tasks:task`. The first tasks are one of each kind, all others wait for nothing; so most
workers soon are without a task, for longer than the window too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading

LONG_S = 4


def task(number: int) -> None:
    """Do as the number says."""
    if number == 0:  # a child that sleeps
        subprocess.run(["sleep", str(LONG_S)], check=True)
    elif number == 1:  # a child that reads standard input, for a limited time
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(["cat"], timeout=LONG_S, check=False)
    elif number == 2:  # a child that reads standard input until a thread of the task ends it
        with subprocess.Popen(["cat"]) as child:
            threading.Timer(LONG_S, child.kill).start()
            child.wait()
    elif number == 3:  # a forked child that waits for its parent's word on a pipe, the parent for a timer's
        reader, writer = os.pipe()
        child_pid = os.fork()
        if child_pid == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
        threading.Timer(LONG_S, os.write, (writer, b"x")).start()
        os.waitpid(child_pid, 0)
    elif number == 4:  # a child stopped for a while, as by a debugger
        with subprocess.Popen(["cat"], stdin=subprocess.DEVNULL) as child:
            os.kill(child.pid, signal.SIGSTOP)
            threading.Timer(LONG_S, os.kill, (child.pid, signal.SIGCONT)).start()
            child.wait()
