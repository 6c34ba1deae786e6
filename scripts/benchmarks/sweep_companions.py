"""Healthy programs that are there while a machine is swept: idle pools, servers, consumers, pipelines, and a database.

Each is started as nobody's child, as a user's services and background jobs are, and has its own session.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hangprobe.observe.census import Census
from hangprobe.observe.reader import Reader

_POOL = "import multiprocessing as m, time; m.set_start_method('fork'); p = m.Pool(3); p.map(abs, range(9)); "
_EXECUTOR = "from concurrent.futures import {0} as E; e = E(2); list(e.map(abs, range(9))); "
PYTHON: Mapping[str, str] = {
    "idle pool": _POOL + "time.sleep(3600)",
    "idle pool, its parent waits for input": _POOL + "import os; r, w = os.pipe(); time.sleep(3600)",
    "idle process executor": _EXECUTOR.format("ProcessPoolExecutor") + "import time; time.sleep(3600)",
    "idle thread executor": _EXECUTOR.format("ThreadPoolExecutor") + "import time; time.sleep(3600)",
    "queue consumer": "import multiprocessing as m, time; q = m.Queue(); p = m.Process(target=q.get); p.start(); "
    "time.sleep(3600)",
    "parked helper": "import threading, multiprocessing as m, time; m.set_start_method('fork'); "
    "p = m.Process(target=threading.Event().wait, daemon=True); p.start(); time.sleep(3600)",
    "asyncio server": "import asyncio; f = lambda r, w: None; "
    "asyncio.run((lambda: asyncio.start_server(f, '127.0.0.1', 0))()) or __import__('time').sleep(3600)",
    "socket server": "import socket; s = socket.socket(socket.AF_UNIX); s.bind('\\0hangprobe-sweep-%d' % "
    "__import__('os').getpid()); s.listen(); s.accept()",
    "signal wait": "import signal; signal.pthread_sigmask(0, [10]); signal.sigwait([10])",
    "pause": "import signal; signal.pause()",
    "event with a handler": "import signal, threading; signal.signal(15, lambda *_: exit()); threading.Event().wait()",
    "forked reader of a timed writer": "import os, time; r, w = os.pipe(); "
    "os.fork() or os.read(r, 1); time.sleep(3600)",
}
SHELL: Mapping[str, str] = {
    "pipeline": "sleep 3600 | cat | cat",
    "tail": "tail -f /dev/null",
    "background and wait": "sleep 3600 & wait",
    "flock": "exec 9>lock; flock 9; (flock 9; true) & sleep 3600",
    "coprocess": "cat < fifo & exec 3> fifo; sleep 3600",
}


@contextmanager
def companions() -> Iterator[int]:
    """Start them all, and end them; gives their number."""
    with tempfile.TemporaryDirectory(prefix="hangprobe-companions-") as name:
        folder = Path(name)
        os.mkfifo(folder / "fifo")
        started = [_orphan(folder, (sys.executable, "-c", text)) for text in PYTHON.values()]
        started += [_orphan(folder, ("sh", "-c", text)) for text in SHELL.values()]
        if (server := _database(folder)) is not None:
            started.append(server)
        try:
            yield len(started)
        finally:
            for pid in started:
                end(pid)


def _orphan(folder: Path, command: tuple[str, ...]) -> int:
    script = '"$@" </dev/null >/dev/null 2>&1 & echo $!'
    done = subprocess.run(
        ("setsid", "sh", "-c", script, "sh", *command), cwd=folder, stdout=subprocess.PIPE, check=True, timeout=30
    )
    return int(done.stdout)


def _database(folder: Path) -> int | None:
    """Start PostgreSQL where it is installed; it refuses to run as root."""
    found = shutil.which("initdb"), shutil.which("postgres")
    if os.geteuid() == 0 or None in found:
        return None
    data = folder / "database"
    subprocess.run(("initdb", "-D", str(data), "-A", "trust"), stdout=subprocess.DEVNULL, check=True, timeout=60)
    return _orphan(folder, ("postgres", "-D", str(data), "-c", "listen_addresses=", "-k", str(folder)))


def end(root: int) -> None:
    """End a process and all below it, and remove the shared memory that killed MPI ranks leave."""
    census = Census(Reader(), "here")
    census.scan()
    pids = [root, *census.descendants(root)]
    segments = {name for pid in pids for name in _segments(pid)}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for segment in segments:
        segment.unlink(missing_ok=True)


def _segments(pid: int) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if "/dev/shm/mpich_shm_" in line and not line.endswith("(deleted)"):
                yield Path(line[line.index("/dev/shm/") :])
