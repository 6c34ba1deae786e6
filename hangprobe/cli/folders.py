"""Where results go: made before a job starts, so that an unwritable place costs nothing."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from hangprobe.errors.base import UnwritableFile, UnwritableFolder
from hangprobe.record import encode, write_whole
from hangprobe.report.markdown import page
from hangprobe.result import Result

DEFAULT = Path("hangprobe-results")


def default_folder(name: str, now: datetime | None = None) -> Path:
    """Return `hangprobe-results/<UTC>-<name>`, with a number behind it if that exists."""
    stem = f"{(now or datetime.now(UTC)):%Y%m%dT%H%M%SZ}-{name}"
    candidates = [DEFAULT / stem, *(DEFAULT / f"{stem}-{number}" for number in range(2, 1000))]
    return next((folder for folder in candidates if not folder.exists()), candidates[-1])


def make(folder: Path) -> Path:
    """Make a folder and check that it can be written. Raises UnwritableFolder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".hangprobe-{os.getpid()}"
        trial.write_bytes(b"")
        trial.unlink()
    except OSError as error:
        raise UnwritableFolder(str(folder), error.strerror or str(error)) from None
    return folder.absolute()


def check_file(json: str | None, option: str = "--json FILE") -> None:
    """Check that a document can be written before anything is started. Raises UnwritableFile."""
    if json is None or json == "-":
        return
    path = Path(json)
    if path.is_dir():
        raise UnwritableFile(json, "it is a folder", option)
    if not path.absolute().parent.is_dir():
        raise UnwritableFile(json, "its folder does not exist", option)
    if not os.access(path.absolute().parent, os.W_OK):
        raise UnwritableFile(json, "its folder is not writable", option)


def write_result(folder: Path, result: Result) -> None:
    """Write `result.json` and `report.md`, each whole or not at all."""
    write_whole(folder / "result.json", encode(result))
    write_whole(folder / "report.md", page(result).encode())
