"""The border: everything that judging and explaining need, as JSON lines on disk (`hangprobe.record/1`).

The only module that knows the file formats. Lines are written whole, as things happen, so that a killed hangprobe
leaves a record that reads up to its last look; whole documents are written by temporary file and rename.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hangprobe.errors.base import RecordUnreadable
from hangprobe.evidence import Suspects
from hangprobe.judgement import Judgement, Progress, Sighting
from hangprobe.model import DoubleCollect, RankView
from hangprobe.result import Finding, Result

SCHEMA = "hangprobe.record/1"


class Header(msgspec.Struct, frozen=True, tag_field="record", tag="header"):
    """The first line: what was started, and with which thresholds."""

    command: tuple[str, ...]
    host: str
    started_at: str
    stall_after_s: float
    hangprobe: str
    schema: str = SCHEMA


class Look(msgspec.Struct, frozen=True, tag_field="record", tag="look"):
    """A double collect that mattered, with all that was read beside it and what was made of it."""

    at_s: float
    double: DoubleCollect
    ranks: tuple[RankView, ...]
    progress: dict[int, Progress]
    suspects: Suspects
    judgement: Judgement
    findings: tuple[Finding, ...]
    sightings: tuple[Sighting, ...] = ()


class End(msgspec.Struct, frozen=True, tag_field="record", tag="end"):
    """The last line: what was said of the job."""

    result: Result


Line = Header | Look | End


class Writer:
    """Appends lines to a record; without a path it keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._descriptor = (
            None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        )

    def write(self, line: Line) -> None:
        """Append one line."""
        if self._descriptor is not None:
            os.write(self._descriptor, _json(line) + b"\n")

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def read(path: Path) -> Iterator[Line]:
    """Yield the lines of a record. Raises RecordUnreadable for a damaged line that is not the last one."""
    decoder = msgspec.json.Decoder(Line)
    with path.open("rb") as file:
        lines = file.read().split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            decoded = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RecordUnreadable(f"{path}, line {number}: {error}", "it was written by another version?") from None
        if isinstance(decoded, Header) and decoded.schema != SCHEMA:
            raise RecordUnreadable(f"{path} has schema {decoded.schema}", f"this hangprobe reads {SCHEMA}")
        yield decoded


def encode(document: msgspec.Struct) -> bytes:
    """Return a document, of one job or another, as one line of JSON."""
    return _json(document) + b"\n"


def decode(document: bytes) -> Result:
    """Return the document of one job. Raises RecordUnreadable."""
    try:
        return msgspec.json.decode(document, type=Result)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordUnreadable(f"no document of hangprobe: {error}") from None


def _json(value: msgspec.Struct) -> bytes:
    """Return a value as JSON; bytes of a command line that are no UTF-8 (PEP 383) are shown as backslash escapes."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_without_surrogates(msgspec.to_builtins(value)))


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return value.encode(errors="surrogateescape").decode(errors="backslashreplace")
    if isinstance(value, dict):
        return {key: _without_surrogates(item) for key, item in value.items()}
    return [_without_surrogates(item) for item in value] if isinstance(value, list | tuple) else value


def write_whole(path: Path, data: bytes) -> None:
    """Write a file by temporary file and rename: it is there whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
