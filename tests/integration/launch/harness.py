"""Run the driver, and what it is compared with, in the same way."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hangprobe.launch.proctree import Process, descendants, list_processes, read_process

REPOSITORY = Path(__file__).parents[3]
DRIVER = (sys.executable, str(Path(__file__).with_name("driver.py")))
WATCHED = (*DRIVER, "--")
TIMEOUT = (shutil.which("timeout") or "timeout", "--foreground", "60")
BARE: tuple[str, ...] = ("env",)
LIMIT_S = 20.0


def say(script: str, wrapper: tuple[str, ...], folder: Path) -> str:
    """Return what a bash script prints; in it, "$@" stands for the wrapper."""
    command = ["bash", "-c", script, "bash", *wrapper]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, timeout=LIMIT_S, check=False)
    return done.stdout.decode("utf-8", "surrogateescape")


def wait_until(is_true: Callable[[], object], what: str) -> None:
    """Wait for a handshake."""
    deadline = time.monotonic() + LIMIT_S
    while not is_true():
        assert time.monotonic() < deadline, f"waited {LIMIT_S} s for {what}"
        time.sleep(0.005)


class Watched:
    """A driver in its own process group and session."""

    def __init__(self, folder: Path, *command: str) -> None:
        self.report = folder / "report.json"
        self.pids = folder / "pids"
        options = ("--pids", str(self.pids), "--report", str(self.report))
        self.popen = subprocess.Popen(
            [*DRIVER, *options, "--", *command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=(folder / "out").open("wb"),
            stderr=(folder / "err").open("wb"),
            start_new_session=True,
        )

    def wait_until_started(self) -> None:
        """Wait until the command runs, and learn the pids."""
        wait_until(lambda: self.pids.exists() or self.popen.poll() is not None, "the driver")
        self.pid, self.guardian, self.command = (int(number) for number in self.pids.read_text().split())

    def wait(self) -> int:
        """Return the driver's status as a shell shows it."""
        status = self.popen.wait(LIMIT_S)
        return status if status >= 0 else 128 - status

    def tree(self) -> list[Process]:
        """Return everything below the guardian."""
        table = list_processes()
        return [table[pid] for pid in descendants(table, {self.guardian})]


@contextmanager
def watched(folder: Path, *command: str, ready: str | None = None) -> Iterator[Watched]:
    """Start a driver, wait for the file `ready`; whatever the test does, the driver is gone afterwards."""
    running = Watched(folder, *command)
    try:
        running.wait_until_started()
        if ready:
            wait_until((folder / ready).exists, ready)
        yield running
    finally:
        if running.popen.poll() is None:
            running.popen.kill()
            running.popen.wait(LIMIT_S)


def is_gone(pids: set[int]) -> bool:
    """Whether none of these processes lives."""
    return not any(process.is_alive for process in map(read_process, pids) if process)


class Terminal:
    """A program on a pseudo-terminal of its own, as session leader."""

    def __init__(self, *command: str, folder: Path) -> None:
        self.seen = ""
        self.status: int | None = None
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(folder)
                os.environ.update(PS1="prompt> ", HISTFILE="/dev/null")  # an interactive bash keeps no history
                os.execvp(command[0], command)
            finally:
                os._exit(127)

    def send(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def expect(self, pattern: str) -> re.Match[str]:
        """Read until `pattern` appears, and drop everything up to its end."""
        deadline = time.monotonic() + LIMIT_S
        while not (match := re.search(pattern, self.seen)):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.seen!r}"
            if select.select([self.descriptor], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.descriptor, 65536).decode(errors="replace")
                except OSError:
                    assert re.search(pattern, self.seen), f"the terminal closed: {self.seen!r}"
        self.seen = self.seen[match.end() :]
        return match

    def close(self) -> int:
        """Hang up, and return the status of the session leader; may be repeated."""
        if self.status is not None:
            return self.status
        os.close(self.descriptor)
        deadline = time.monotonic() + 5
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                return self.status
            if time.monotonic() > deadline:
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.005)


@contextmanager
def terminal(*command: str, folder: Path) -> Iterator[Terminal]:
    """Open a terminal and close it."""
    opened = Terminal(*command, folder=folder)
    try:
        yield opened
    finally:
        opened.close()
