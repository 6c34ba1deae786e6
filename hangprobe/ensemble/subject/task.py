"""What a worker does around each task: it says so in its marks, before and after, and calls the workload.

A worker's marks are `<marks>/workers/<host>/<pid>-<start time>.log`: host as gethostname() has it, start time as field
22 of /proc/self/stat, clock ticks since the boot. Its lines, each one write(2):

    W <rank> <block> <workers> <manager pid> <pool id>    once, first: what Parsl says in the worker's environment, `-`
                                                          for what this Parsl does not say
    B <time.time()> <task number> <workload>              a task begins
    E <time.time()> <task number> ok                      it has ended
    E <time.time()> <task number> <error class>           it has failed

A reader may see the file at any time; a line counts once its newline is there. The file stays open between tasks, and
no child that a task starts keeps it (unless forked; such a child writes nothing there, for it is not the worker, even
if it comes back from the workload). Cost: two small writes a task.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import time
from typing import Callable

from hangprobe.ensemble import workloads

_SAID = ("PARSL_WORKER_RANK", "PARSL_WORKER_BLOCK_ID", "PARSL_WORKER_COUNT")
_marks: dict[str, tuple[int, int]] = {}  # folder -> the process that has opened its file, the descriptor
_functions: dict[str, Callable[..., object]] = {}


def run(marks: str, number: int, workload: str, path: str) -> None:
    """Run a workload between two marks. `path`: where a user's own module is looked for first."""
    worker, descriptor = os.getpid(), _open(marks)
    os.write(descriptor, f"B {time.time():.6f} {number} {workload}\n".encode())
    outcome = "ok"
    try:
        function = _functions.get(workload) or _find(workload, path)
        function(number)
    except BaseException as error:
        outcome = type(error).__name__
        raise
    finally:
        if os.getpid() == worker:
            os.write(descriptor, f"E {time.time():.6f} {number} {outcome}\n".encode())


def start_time() -> int:
    """Return when this process was started, in clock ticks since the boot."""
    with open("/proc/self/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])


def marks_folder() -> str:
    """Return the folder of the marks that this worker writes to; raises StopIteration outside of a task."""
    return next(iter(_marks))


def _open(marks: str) -> int:
    pid = os.getpid()
    known = _marks.get(marks)
    if known and known[0] == pid:
        return known[1]
    folder = os.path.join(marks, "workers", socket.gethostname())
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{pid}-{start_time()}.log")
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    said = [os.environ.get(name) or "-" for name in _SAID]
    pool = os.environ.get("PARSL_WORKER_POOL_ID") or "-"
    os.write(descriptor, f"W {' '.join(said)} {os.getppid()} {pool}\n".encode())
    _marks[marks] = (pid, descriptor)
    return descriptor


def _find(workload: str, path: str) -> Callable[..., object]:
    """Return the function of a workload: one of hangprobe's, or a user's `module:function`."""
    if ":" in workload:
        module, _, name = workload.partition(":")
        if path not in sys.path:
            sys.path.insert(0, path)
        function: Callable[..., object] = getattr(importlib.import_module(module), name)
    else:
        known = workloads.TABLE[workload]
        function = getattr(importlib.import_module(f"hangprobe.ensemble.subject.{known.module}"), known.function)
    _functions[workload] = function
    return function
