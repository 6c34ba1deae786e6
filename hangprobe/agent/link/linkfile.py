"""The file by which the processes of a job's nodes find the head, and by which the head knows them.

It holds keys, so it is its owner's alone. Lines of `name value`, because seat.py, which cannot import the package,
reads it too; a name that stands there more than once has several values.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from hangprobe.errors.jobs import LinkFileRefused

JOB = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Becomes part of the name of a socket, which has 108 bytes (unix(7))."""


@dataclass(frozen=True, slots=True)
class LinkFile:
    """What a link file says."""

    job: str
    addresses: tuple[str, ...]
    """`host:port`, wherever the head listens."""
    server_public: str
    """Z85, as the other keys: 40 letters."""
    client_public: str
    client_secret: str
    head_host: str
    head_pid: int
    head_start_time: int
    """Ticks since boot, as in field 22 of /proc/PID/stat."""
    python: str
    """What runs the observer, at that place on every node."""
    start_after_s: float = 0.5
    """A job that has ended by then was not observed."""
    as_parent: bool = False
    """Whether every rank has an observer of its own for a parent, as where only ancestors may read a process."""
    crew: str = ""
    """The folder of the marks of an ensemble's tasks, which all nodes see; empty: the job is none."""
    python_path: str = ""
    """The head's PYTHONPATH: the observer's libraries may be there, and the application's may be another one."""

    def write(self, path: Path) -> None:
        """Make the file; nobody else can read it at any time. Raises LinkFileRefused if there is anything already."""
        text = "".join(f"{name} {value}\n" for name, value in self._lines())
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with open(os.open(path, flags, 0o600), "w", encoding="utf-8", errors="surrogateescape") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(text)
        except OSError as error:
            raise LinkFileRefused(str(path), error.strerror or str(error)) from None

    def _lines(self) -> list[tuple[str, str]]:
        found = []
        for field in fields(self):
            value = getattr(self, field.name)
            name, values = ("address", value) if field.name == "addresses" else (field.name, (value,))
            found += [(name, str(int(each) if isinstance(each, bool) else each)) for each in values]
        broken = [name for name, value in found if "\n" in value or "\r" in value]
        if broken or not JOB.fullmatch(self.job):
            raise ValueError(f"cannot be told in a link file: {', '.join(broken) or 'job'}")
        return found

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file that only this user can have written and read. Raises LinkFileRefused."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
                if why := _suspicion(os.fstat(file.fileno())):
                    raise LinkFileRefused(str(path), why)
                return cls.parse(file.read())
        except OSError as error:
            raise LinkFileRefused(str(path), error.strerror or str(error)) from None
        except (KeyError, ValueError) as error:
            raise LinkFileRefused(str(path), f"it is damaged ({error})") from None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what a text says. Raises KeyError, ValueError; names that are not known are left aside."""
        values: dict[str, list[str]] = {}
        for line in text.split("\n"):
            name, _, value = line.partition(" ")
            values.setdefault(name, []).append(value)
        found: dict[str, Any] = {field.name: values[field.name][-1] for field in fields(cls) if field.name in values}
        found["addresses"] = tuple(values.get("address", ()))
        missing = [field.name for field in fields(cls) if field.name not in found]
        if missing or not JOB.fullmatch(found["job"]):
            raise ValueError(f"{', '.join(missing) or 'job'} missing")
        for name in ("head_pid", "head_start_time"):
            found[name] = int(found[name])
        found["start_after_s"] = float(found["start_after_s"])
        found["as_parent"] = found["as_parent"] == "1"
        return cls(**found)


def _suspicion(status: os.stat_result) -> str:
    """Return why a file is not to be believed; empty if it is."""
    if not stat.S_ISREG(status.st_mode):
        return "it is no regular file"
    if status.st_uid != os.geteuid():
        return f"it belongs to user {status.st_uid}"
    if status.st_mode & 0o077:
        return f"others may use it (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""
