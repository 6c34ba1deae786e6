"""A healthy job of many processes that wait, to measure on: a small tree of forked processes with a few threads each.

Run as a program of its own, so that its processes look like those of any Python job: a head forks branches, branches
fork leaves. Leaves take turns at what they wait for:

- `pipe`: the main thread reads from a pipe whose other end its branch keeps;
- `futex`: the main thread waits for a lock, while one other thread sleeps for a set time and may release it;
- `sleep`: the main thread sleeps for a set time.

All threads beside these wait for a lock (a private futex without a time-out). A share of the leaves wakes up often, to
run between two samples. In every process some thread could still run: nothing here is a hang.

A leaf can be made a rank of its own: it writes a rank's variable over one that the head was started with, where `/proc`
shows a process's environment. Ranks wait in epoll in place of a pipe, as those of an MPI job do: a main thread that
waits for a pipe could be hung, and whether it is takes a double collect now and then.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from hangprobe.launch.session import Capture, LaunchSpec, Session

RANK, NO_RANK = b"PMI_RANK=", b"NOT_RANK="
"""How a rank's variable begins, and what the head is started with in its place; the number has 8 digits."""
ENV_START = 50
"""The number of the field of `stat` that says where the environment begins: proc(5)."""

LEAVES = 100
"""Of one branch, at most."""

LONG_S = 3600.0
"""A sleep that does not end while somebody measures."""

TICK_S = 0.05
"""How often a leaf that runs between samples wakes up."""

START_LIMIT_S = 120.0
POLL_S = 0.05


@contextmanager
def crowd(processes: int, threads: int, running_share: float, are_ranks: bool = False) -> Iterator[Session]:
    """Start a job of `processes` with `threads` each, yield it when all of them wait, and end it in any case.

    With `are_ranks` its leaves are ranks, and there are as many as `processes` says.
    """
    count = processes + 1 + -(-processes // LEAVES) if are_ranks else processes
    command = (sys.executable, "-m", __name__, str(count), str(threads), str(running_share))
    with TemporaryDirectory(prefix="hangprobe-") as name:
        folder = Path(name)
        said = Capture(folder / "crowd.out", folder / "crowd.err")
        own = {NO_RANK.decode().rstrip("="): "00000000"} if are_ranks else {}
        spec = LaunchSpec(command, tag=f"bench-{os.getpid()}-{folder.name}", environment=own, capture=said)
        with Session(spec) as session:
            _wait_until_ready(session, said)
            yield session


def _wait_until_ready(session: Session, said: Capture) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while said.stdout.read_text() != "ready\n":
        if session.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the crowd did not start: {said.stderr.read_text().strip() or 'no message'}")
        time.sleep(POLL_S)


def head(processes: int, threads: int, running_share: float) -> None:
    """Fork branches that fork the leaves, say when all are there, and wait for them; itself one of the processes."""
    told, tell = os.pipe()
    branches = -(-(processes - 1) // (LEAVES + 1))
    leaves = processes - 1 - branches
    for branch in range(branches):
        numbers = range(branch, leaves, branches)
        if os.fork() == 0:
            _branch(numbers, threads, _every(running_share), tell)
    os.close(tell)
    left = leaves
    while left and (said := os.read(told, left)):
        left -= len(said)
    if left:
        raise SystemExit(f"{left} of {leaves} processes could not be started")
    print("ready", flush=True)
    os.wait()


def _every(share: float) -> int:
    """Return of how many leaves one is to run between samples; 0: none of them."""
    return round(1 / share) if share > 0 else 0


def _branch(numbers: range, threads: int, every: int, tell: int) -> NoReturn:
    write_ends: list[int] = []
    for number in numbers:
        read_end, write_end = os.pipe()
        if os.fork() == 0:
            for kept in (*write_ends, write_end):
                os.close(kept)
            _leaf(number, threads, every, read_end, tell)
        os.close(read_end)
        write_ends.append(write_end)
    os.close(tell)
    _sleep()


def _leaf(number: int, threads: int, every: int, read_end: int, tell: int) -> NoReturn:
    mains: tuple[Callable[[], object], ...] = (lambda: os.read(read_end, 1), _wait_for_lock, _sleep)
    waits = mains[number % len(mains)]
    if _becomes_rank(number) and number % len(mains) == 0:
        waits = select.epoll().poll
    helpers: list[Callable[[], object]] = [_wait_for_lock] * (threads - 1)
    if waits is _wait_for_lock:
        helpers[0] = _sleep
    if every and number % every == 0:
        waits = _tick
    for helper in helpers:
        threading.Thread(target=helper, daemon=True).start()
    os.write(tell, b".")
    os.close(tell)
    waits()
    os._exit(1)


def _becomes_rank(number: int) -> bool:
    """Let `/proc` show the variable of a rank in this process's environment; return whether the head was to have it."""
    with open("/proc/self/environ", "rb") as file:
        at = b"\0" + file.read()
    place = at.find(b"\0" + NO_RANK)
    if place < 0:
        return False
    with open("/proc/self/stat", "rb") as file:
        start = int(file.read().rpartition(b")")[2].split()[ENV_START - 3])
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        os.pwrite(memory.fileno(), RANK + b"%08d" % number, start + place)
    return True


def _wait_for_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def _sleep() -> NoReturn:
    while True:
        time.sleep(LONG_S)


def _tick() -> NoReturn:
    while True:
        time.sleep(TICK_S)


if __name__ == "__main__":
    head(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
