"""Where GNU parallel can come from: a program on PATH, Debian's package, an archive that somebody has brought.

Nothing of it (GPL-3) is part of hangprobe. Each source is checked by who installs it, for it is only run there.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hangprobe.errors.tools import GnuParallelMissing, NotGnuParallel, PerlMissing, ToolMissing
from hangprobe.launch.genuine import identify
from hangprobe.packages import unpacked

PROGRAM = "parallel"
PACKAGE = "parallel"
IN_ARCHIVE = re.compile(r"(\./)?[^/]+/src/parallel")
"""In `parallel-YYYYMMDD.tar.bz2`."""
PROGRAM_LIMIT_BYTES = 16 << 20
"""Version 20221122 has 0.5 MB: what is larger than this is no program, and is not read into memory."""


class Kind(StrEnum):
    """The kinds of source."""

    PATH = "path"
    DEBIAN = "debian"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Source:
    """A program to be installed."""

    kind: Kind
    origin: str
    """The program that is linked to, the one that is copied, or the archive that has it."""
    content: bytes
    archive_sha256: str | None = None
    """Of the archive, for kind `file`."""

    @property
    def sha256(self) -> str:
        """The checksum of the program."""
        return hashlib.sha256(self.content).hexdigest()


def candidates(search_path: str) -> list[str]:
    """Return all programs named `parallel` in the folders of a search path, in its order."""
    folders = dict.fromkeys(folder for folder in search_path.split(os.pathsep) if folder)
    files = [os.path.abspath(os.path.join(folder, PROGRAM)) for folder in folders]
    return [file for file in files if os.path.isfile(file) and os.access(file, os.X_OK)]


def from_path(files: Iterable[str]) -> tuple[Source | None, tuple[str, ...]]:
    """Return the first that is GNU parallel, and what the ones before it are."""
    passed_over: list[str] = []
    for file in files:
        try:
            identify(file)
            return Source(Kind.PATH, file, _read(file)), tuple(passed_over)
        except NotGnuParallel as error:
            passed_over.append(f"{file}: {error.what}")
        except PerlMissing as error:
            passed_over.append(f"{file}: {error}")
    return None, tuple(passed_over)


def from_debian() -> Source:
    """Return the program of Debian's package, brought and unpacked if need be. Raises GnuParallelMissing."""
    try:
        file = unpacked(PACKAGE, (PROGRAM,)) / "usr/bin" / PROGRAM
    except ToolMissing as error:
        raise GnuParallelMissing(error.why) from None
    try:
        return Source(Kind.DEBIAN, str(file), _read(str(file)))
    except NotGnuParallel as error:
        raise GnuParallelMissing(f"{file}: {error.what} (remove that folder)") from None


def from_file(file: Path) -> Source:
    """Return the program of an upstream archive, or of the bare script. Raises NotGnuParallel.

    Only the one member is read and nothing is unpacked, so an archive can put nothing anywhere.
    """
    try:
        with file.open("rb") as opened:
            checksum = hashlib.file_digest(opened, "sha256").hexdigest()
            opened.seek(0)
            is_script = opened.read(2) == b"#!"
    except OSError as error:
        raise NotGnuParallel(str(file), f"it cannot be read ({error.strerror})") from None
    content = _read(str(file)) if is_script else _member(file)
    return Source(Kind.FILE, str(file.absolute()), content, checksum)


def _member(file: Path) -> bytes:
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                if IN_ARCHIVE.fullmatch(member.name) and member.isreg() and member.size <= PROGRAM_LIMIT_BYTES:
                    opened = archive.extractfile(member)
                    return opened.read() if opened is not None else b""
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError) as error:
        what = "it is no script, and no archive that can be read"
        raise NotGnuParallel(str(file), f"{what} ({' '.join(str(error).split())[:80]})") from None
    raise NotGnuParallel(str(file), "the archive has no file parallel-*/src/parallel")


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as opened:
            content = opened.read(PROGRAM_LIMIT_BYTES + 1)
    except OSError as error:
        raise NotGnuParallel(file, f"it cannot be read ({error.strerror})") from None
    if len(content) > PROGRAM_LIMIT_BYTES:
        raise NotGnuParallel(file, f"it is larger than {PROGRAM_LIMIT_BYTES >> 20} MiB")
    return content
