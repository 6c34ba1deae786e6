"""Start the installed `hangprobe`, wait for it, and end it whatever the test does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.launch.harness import wait_until

HANGPROBE = str(Path(sys.executable).with_name("hangprobe"))
PROGRAMS = Path(__file__).with_name("programs")
REPRODUCERS = Path(__file__).parents[3] / "reproducers"
LIMIT_S = 60.0
ENDING_S = 25.0
"""hangprobe's own worst case for ending a job, and some more."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """A hangprobe that has ended."""

    status: int
    """As a shell shows it."""
    stdout: str
    stderr: str
    folder: Path

    @property
    def results(self) -> Path:
        """The one results folder."""
        (folder,) = (self.folder / "hangprobe-results").iterdir()
        return folder


class Running:
    """A hangprobe in a session of its own; what it prints goes to files."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.out, self.err = folder.with_name(f"{folder.name}.out"), folder.with_name(f"{folder.name}.err")
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.popen = subprocess.Popen(
                [HANGPROBE, *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def wait_until_said(self, text: str) -> None:
        """Wait until something stands on stderr."""
        wait_until(lambda: text in self.err.read_text() or self.popen.poll() is not None, text)
        assert text in self.err.read_text()

    def wait(self, limit_s: float = LIMIT_S) -> Done:
        """Wait for its end."""
        try:
            status = self.popen.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {limit_s} s; it said {self.err.read_text()!r}") from None
        status = status if status >= 0 else 128 - status
        return Done(status, self.out.read_text(), self.err.read_text(), self.folder)

    def end(self) -> None:
        """End it if it still runs: by SIGTERM, else by SIGKILL (its guardian ends the job)."""
        for signum in (signal.SIGTERM, signal.SIGKILL):
            if self.popen.poll() is None:
                self.popen.send_signal(signum)
                try:
                    self.popen.wait(ENDING_S)
                except subprocess.TimeoutExpired:
                    continue


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Running]:
    """Start hangprobe in `folder`; it is gone afterwards."""
    started = Running(folder, *arguments)
    try:
        yield started
    finally:
        started.end()


def hangprobe(*arguments: str, folder: Path, limit_s: float = LIMIT_S) -> Done:
    """Run hangprobe to its end."""
    with running(folder, *arguments) as started:
        return started.wait(limit_s)


def read(path: Path) -> Document:
    """Return the one document of a file."""
    document: Document = json.loads(path.read_text())
    return document


def shell(script: str, folder: Path) -> Done:
    """Run a bash script to its end; in it, "$0" is hangprobe."""
    done = subprocess.run(
        ["bash", "-c", script, HANGPROBE],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
        text=True,
    )
    return Done(done.returncode, done.stdout, done.stderr, folder)
