"""Find GNU parallel, or put it into a virtual environment, from where it can be taken away again.

It comes from a program on PATH (a link to it), from Debian's package (a copy), or from a file that somebody brought.
What was done stands in `share/hangprobe/gnu-parallel.json` of the environment. Only what stands there, and is still as
it was put there, is ever replaced or removed: a file of somebody else is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from hangprobe.errors.tools import EnvironmentUnfit, NotGnuParallel, PerlMissing
from hangprobe.launch.genuine import GnuParallel, identify
from hangprobe.launch.parallelsources import PROGRAM, Kind, Source, candidates, from_debian, from_file, from_path
from hangprobe.model import Frozen
from hangprobe.record import write_whole

RECORD = Path("share/hangprobe/gnu-parallel.json")
MARKS = ("pyvenv.cfg", "conda-meta")
"""What lies in the folder of a virtual environment, and in one of conda."""
Tell = Callable[[str], None]


class Installed(Frozen, frozen=True, kw_only=True):
    """The record of a GNU parallel that was put into an environment."""

    schema: str = "hangprobe.gnu-parallel/1"
    source: Kind
    origin: str
    """The program that is linked to, the one that was copied, or the archive that had it."""
    archive_sha256: str | None = None
    """Of the archive, for source `file`."""
    version: str
    sha256: str
    """Of the program as it was put there; of a link: of what it led to."""
    path: str
    is_link: bool
    installed_at: str
    """UTC, ISO 8601."""


class Deed(StrEnum):
    """What was done."""

    INSTALLED = "installed"
    ALREADY = "already-there"
    FOREIGN = "already-there-not-by-hangprobe"
    REMOVED = "removed"
    NOTHING = "nothing-to-remove"
    CHANGED = "left-alone-because-changed"
    """It is no longer what was installed: whoever changed it keeps it, and only the record is gone."""


class Setup(Frozen, frozen=True, kw_only=True):
    """What became of an environment."""

    schema: str = "hangprobe.setup/1"
    done: Deed
    path: str
    """Where GNU parallel is, or was, or would be."""
    version: str | None = None
    """None where nothing is left or nothing was looked at."""
    record: Installed | None = None
    """None for what hangprobe has not put there."""
    passed_over: tuple[str, ...] = ()
    """Other programs of the same name, and what they are."""


def find(path: str | None = None) -> GnuParallel | None:
    """Return the first GNU parallel of a search path, verified by running it; None if there is none.

    `path` is written like PATH. By default: the environment of this Python, then PATH.
    """
    for file in candidates(default_path() if path is None else path):
        with contextlib.suppress(NotGnuParallel, PerlMissing):
            return identify(file)
    return None


def default_path() -> str:
    """Return where GNU parallel is looked for: this Python's environment need not be active to be used."""
    return os.pathsep.join([os.path.join(sys.prefix, "bin"), os.environ.get("PATH", os.defpath)])


def install(environment: Path | None = None, archive: Path | None = None, tell: Tell = lambda _: None) -> Setup:
    """Put GNU parallel into the `bin` of an environment, by default this Python's; nothing is done twice.

    With an archive it comes from there and nowhere else. `tell` hears what is about to be done. Raises
    EnvironmentUnfit, NotGnuParallel (of the archive), GnuParallelMissing, PerlMissing.
    """
    prefix = _fit(environment)
    program = prefix / "bin" / PROGRAM
    record = _record(prefix)
    is_ours = record is not None and _is_as_installed(record, program)
    given = from_file(archive) if archive is not None else None
    is_wanted = given is None or (is_ours and record is not None and record.sha256 == given.sha256)
    there = _there(program, is_ours)
    if there is not None and is_wanted:
        done = Deed.ALREADY if is_ours else Deed.FOREIGN
        return Setup(done=done, path=str(program), version=there.version, record=record if is_ours else None)
    if there is not None and not is_ours:
        raise EnvironmentUnfit(
            str(prefix), f"{program} is there, and hangprobe has not put it there", f"remove {program} first"
        )
    passed_over: tuple[str, ...] = ()
    if given is None:
        given, passed_over = _search(program, tell)
    tell(f"trying GNU parallel from {given.origin}")
    record = _place(given, prefix)
    return Setup(done=Deed.INSTALLED, path=str(program), version=record.version, record=record, passed_over=passed_over)


def remove(environment: Path | None = None) -> Setup:
    """Take away what `install` has put into an environment, and nothing else. Raises EnvironmentUnfit."""
    prefix = _fit(environment)
    program = prefix / "bin" / PROGRAM
    if not (prefix / RECORD).exists():
        return Setup(done=Deed.NOTHING, path=str(program))
    record = _record(prefix)
    is_ours = record is not None and _is_as_installed(record, program)
    is_gone = not os.path.lexists(program)
    try:
        if is_ours:
            program.unlink()
        (prefix / RECORD).unlink()
    except OSError as error:
        raise EnvironmentUnfit(str(prefix), f"{error.filename}: {error.strerror}") from None
    _remove_empty_folders(prefix)
    return Setup(done=Deed.REMOVED if is_ours or is_gone else Deed.CHANGED, path=str(program), record=record)


def encode(setup: Setup) -> bytes:
    """Return the document, one line of JSON."""
    return msgspec.json.encode(setup) + b"\n"


def _fit(environment: Path | None) -> Path:
    """Return the folder of the environment to be used. Raises EnvironmentUnfit."""
    if environment is None:
        prefix = Path(sys.prefix)
        if not any((prefix / mark).exists() for mark in MARKS):
            raise EnvironmentUnfit(str(prefix), "this Python is in no virtual environment")
    else:
        prefix = environment.absolute()
    if not (prefix / "bin").is_dir():
        raise EnvironmentUnfit(str(prefix), "it has no folder bin")
    if not os.access(prefix / "bin", os.W_OK):
        raise EnvironmentUnfit(str(prefix), f"{prefix / 'bin'} is not writable")
    return prefix


def _there(program: Path, is_ours: bool) -> GnuParallel | None:
    """Return the GNU parallel that is in the environment. What is ours and works no more is none."""
    if not os.path.lexists(program):
        return None
    try:
        return identify(str(program))
    except NotGnuParallel as error:
        if is_ours:
            return None
        raise EnvironmentUnfit(
            str(program.parents[1]), f"{program} is there, and {error.what}", f"remove {program} first"
        ) from None


def _search(program: Path, tell: Tell) -> tuple[Source, tuple[str, ...]]:
    """Return where GNU parallel comes from if nobody says it: PATH, else Debian."""
    tell("looking for GNU parallel on PATH")
    # what is there and did not answer in time must not become a link to itself
    files = candidates(os.environ.get("PATH", os.defpath))
    source, passed_over = from_path(file for file in files if os.path.realpath(file) != os.path.realpath(program))
    if source is not None:
        return source, passed_over
    if shutil.which("perl", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/bin") is None:
        raise PerlMissing("there is no perl on PATH")
    tell("bringing Debian's package parallel, which is unpacked and not installed")
    return from_debian(), passed_over


def _place(source: Source, prefix: Path) -> Installed:
    """Put it there whole or not at all, its record first: what has no record is never removed."""
    program = prefix / "bin" / PROGRAM
    temporary = program.with_name(f".{PROGRAM}.{os.getpid()}.tmp")
    before = _bytes(prefix / RECORD)
    try:
        if source.kind is Kind.PATH:
            temporary.symlink_to(source.origin)
        else:
            temporary.write_bytes(source.content)
            temporary.chmod(0o755)
        record = Installed(
            source=source.kind,
            origin=source.origin,
            archive_sha256=source.archive_sha256,
            version=identify(str(temporary), source.origin).version,
            sha256=source.sha256,
            path=str(program),
            is_link=source.kind is Kind.PATH,
            installed_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        )
        (prefix / RECORD).parent.mkdir(parents=True, exist_ok=True)
        write_whole(prefix / RECORD, msgspec.json.encode(record) + b"\n")
        temporary.replace(program)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        _restore(prefix, before)
        if isinstance(error, OSError):
            raise EnvironmentUnfit(str(prefix), f"{error.filename or program}: {error.strerror}") from None
        raise
    return record


def _restore(prefix: Path, before: bytes | None) -> None:
    """Leave the record as it was before."""
    with contextlib.suppress(OSError):
        if before is not None:
            write_whole(prefix / RECORD, before)
        else:
            (prefix / RECORD).unlink()
    _remove_empty_folders(prefix)


def _remove_empty_folders(prefix: Path) -> None:
    with contextlib.suppress(OSError):
        (prefix / RECORD).parent.rmdir()
        (prefix / RECORD).parent.parent.rmdir()


def _record(prefix: Path) -> Installed | None:
    """Return the record of an environment; None if there is none or it cannot be understood."""
    try:
        return msgspec.json.decode(_bytes(prefix / RECORD) or b"", type=Installed)
    except msgspec.DecodeError:
        return None


def _is_as_installed(record: Installed, program: Path) -> bool:
    """Tell whether a program is still what was put there: a link by where it leads to, a copy by its checksum."""
    if record.is_link or program.is_symlink():
        return record.is_link and program.is_symlink() and os.readlink(program) == record.origin
    content = _bytes(program)
    return content is not None and hashlib.sha256(content).hexdigest() == record.sha256


def _bytes(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None
