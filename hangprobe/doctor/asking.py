"""Ask programs with a deadline: whatever they do, an answer comes back and nothing of them is left.

Apart from the checks because a program that a sick machine offers may hang, fork, or lie on a file system that never
answers. Each runs in a session of its own, without input, and is killed with its group when it is late.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

LIMIT_S = 3.0
"""For a program that prints its version; a Perl one needs 0.1 s on a loaded machine."""
DRAIN_S = 0.5
"""For what is left in the pipe of a killed program; a survivor in another session may hold it for ever."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said."""

    status: int | None
    """As subprocess has it; None if it did not start or was late."""
    text: str
    """Both of its outputs, or why there is none."""

    @property
    def first_line(self) -> str:
        """The first line with something on it."""
        return next((line.strip() for line in self.text.splitlines() if line.strip()), "")


class Asker:
    """Asks programs, and can end all that it is still waiting for."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()

    def ask(self, *command: str, limit_s: float = LIMIT_S) -> Answer:
        """Run a program to its end, or for `limit_s`, and return what it said."""
        try:
            asked = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,
            )
        except OSError as error:
            return Answer(None, error.strerror or str(error))
        self._running.add(asked)
        try:
            output, _ = asked.communicate(timeout=limit_s)
            return Answer(asked.returncode, output.decode(errors="replace"))
        except subprocess.TimeoutExpired:
            _kill(asked)
            with contextlib.suppress(subprocess.TimeoutExpired):
                asked.communicate(timeout=DRAIN_S)
            return Answer(None, f"no answer within {limit_s:g} s")
        finally:
            self._running.discard(asked)

    def close(self) -> None:
        """Kill whatever has not answered yet."""
        for asked in list(self._running):
            _kill(asked)


def _kill(asked: subprocess.Popen[bytes]) -> None:
    if asked.poll() is None:  # not reaped yet, so its group cannot be another one's
        with contextlib.suppress(OSError):
            os.killpg(asked.pid, signal.SIGKILL)


def which(name: str, more: Sequence[str] = ()) -> str | None:
    """Return where a program is, on PATH or in one of the folders that ordinary users lack there."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(more) or None)


def version_of(package: str) -> str | None:
    """Return which version of a Python package is installed here, without importing it."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
