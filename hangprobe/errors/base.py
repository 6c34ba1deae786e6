"""What every part of hangprobe may refuse: the base of all errors, and how the command line is wrong."""

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

    def __init__(self, file: str, why: str, option: str = "--json FILE") -> None:
        super().__init__(f"cannot write {file}: {why}", f"name a file in a writable folder with {option}")


class ExtraMissing(HangprobeError):
    """A library that only some commands need is not installed."""

    slug = "extra-missing"

    def __init__(self, library: str, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs {library}, which is not installed", f"pip install 'hangprobe[{extra}]'")


class RecordUnreadable(HangprobeError):
    """A record file is damaged, truncated or written by a newer hangprobe."""

    slug = "record-unreadable"
