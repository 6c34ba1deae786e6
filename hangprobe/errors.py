"""Everything that hangprobe can refuse to do, one class per remedy.

    HangprobeError
     ├── UsageError                 the command line asks for something that cannot be
     │    └── UnknownName               a reproducer, variant, mitigation ... that does not exist
     ├── UnwritableFolder           the results cannot be written where they should go
     ├── UnwritableFile             neither can the document
     ├── CommandNotStarted          the program under watch could not be executed
     ├── LauncherMissing            no mpiexec on PATH
     ├── LauncherBroken             there is one, and it cannot be executed
     ├── GuardianLost               the process that owns the job died first
     └── RecordUnreadable           a record file is damaged or of a newer schema

Each class has a slug that leads to the paragraph of the same name in docs/messages.md.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import ClassVar


class HangprobeError(Exception):
    """Something hangprobe cannot do; `str()` says what happened, `remedy` what to try."""

    slug: ClassVar[str] = "error"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the message and its remedy on one line."""
        return f"{self.args[0]}; {self.remedy}" if self.remedy else str(self.args[0])


class UsageError(HangprobeError):
    """The command line asks for something that cannot be."""

    slug = "usage"


class UnknownName(UsageError):
    """A name that is in no list; the nearest known ones are offered."""

    slug = "unknown-name"

    def __init__(self, noun: str, name: str, known: list[str], where: str) -> None:
        near = get_close_matches(name, known, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
        super().__init__(f"there is no {noun} named '{name}'", f"{hint} ({where})")


class UnwritableFolder(HangprobeError):
    """The results folder cannot be made or written."""

    slug = "unwritable-folder"

    def __init__(self, folder: str, why: str) -> None:
        super().__init__(f"cannot write results to {folder}: {why}", "name a writable folder with --out DIR")


class UnwritableFile(HangprobeError):
    """The file for the document cannot be written."""

    slug = "unwritable-file"

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"cannot write {file}: {why}", "name a file in a writable folder with --json FILE")


class CommandNotStarted(HangprobeError):
    """The command could not be executed; `status` is 126 or 127, as a shell would report it."""

    slug = "command-not-started"

    def __init__(self, command: str, why: str, status: int) -> None:
        remedy = "check its spelling and PATH" if status == 127 else "check that it is an executable file"
        super().__init__(f"cannot run '{command}': {why}", remedy)
        self.status = status


class LauncherMissing(HangprobeError):
    """No MPI launcher is on PATH."""

    slug = "launcher-missing"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"no {name} on PATH",
            "install one beside hangprobe (pip install mpich mpi4py) or load your site's MPI module",
        )


class LauncherBroken(HangprobeError):
    """There is a launcher, but it cannot be executed."""

    slug = "launcher-broken"

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"cannot run {path}: {why}", "check its first line, or name another with --mpiexec COMMAND")


class GuardianLost(HangprobeError):
    """The guardian process ended before its job did; the job's tree has been ended by hangprobe itself."""

    slug = "guardian-lost"


class RecordUnreadable(HangprobeError):
    """A record file is damaged, truncated or written by a newer hangprobe."""

    slug = "record-unreadable"
