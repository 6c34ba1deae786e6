"""Two processes to look at: a child, and one that is no descendant of whoever looks.

Both wait in a pipe whose other end is here, so that they end by themselves when it is closed, also by kill -9 of
hangprobe. The second is the grandchild of a parent that has gone: it belongs to init, or to the nearest subreaper, so
this process must not be one (`launch.session` makes it one).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_LIMIT_S = 3.0
"""For a Python without site to start and to come to its read: 20 ms, a second on a node that is overloaded."""
CHILD = "import os; os.write(1, b'%d\\n' % os.getpid()); os.read(0, 1)"
ORPHAN = f"import os; os.fork() and os._exit(0); os.setsid(); {CHILD}"


@contextmanager
def waiting(program: str) -> Iterator[int]:
    """Start a program that reads from a pipe and yield its pid; it has ended afterwards.

    Raises OSError, TimeoutError, subprocess.TimeoutExpired.
    """
    started = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert started.stdout is not None
    pid = started.pid
    try:
        if not (line := started.stdout.readline()):
            raise OSError("a Python that should have been looked at ended at once")
        pid = int(line)
        if pid != started.pid:
            started.wait(START_LIMIT_S)  # only then has the orphan another parent
        _wait_until_asleep(pid)
        yield pid
    finally:
        _wait_for_end(started, pid)


def _wait_until_asleep(pid: int) -> None:
    """Wait until a process sleeps: it has nothing to do but to read from its pipe, which stays empty."""
    end_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end_s:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "S":
            return
        time.sleep(0.002)
    raise TimeoutError(f"pid {pid} did not come to its read within {START_LIMIT_S:g} s")


def _wait_for_end(started: subprocess.Popen[bytes], pid: int) -> None:
    """Close its input, and wait for the end of its output, which comes when the last process that has it has gone."""
    try:
        started.communicate(timeout=START_LIMIT_S)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)  # the orphan, where orphans come to this process
    except subprocess.TimeoutExpired:
        started.kill()
        started.wait()


def is_descendant(pid: int) -> bool:
    """Tell whether this process is an ancestor of `pid`, as far as its ancestors can be seen."""
    try:
        while pid > 1:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if pid == os.getpid():
                return True
    except FileNotFoundError:
        pass
    return False
