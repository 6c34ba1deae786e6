"""The folder of a campaign on disk: begun once, one trial after the other, never two runners at a time.

A trial is on record when its `trial.json` is there: that file is written beside itself, brought to disk and renamed,
and so is the folder's entry for it (fsync(2): a rename alone may be lost with the machine). A trial's folder without
it is what a killed runner has left: it is wiped when that trial is run again. Hence nothing is repeated and nothing is
lost, at whatever moment the runner dies.

The lock is a flock(2): the kernel lets go of it when the runner dies, by whatever. A file system without locks (Lustre
mounted without `-o flock`) gets none; `has_lock` says so. Layout: records.py.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hangprobe.ensemble.launchers import TABLE
from hangprobe.ensemble.reading import PLAN, read
from hangprobe.ensemble.records import Campaign, Planned, Trial
from hangprobe.errors.base import UnwritableFolder
from hangprobe.errors.ensembles import CampaignBusy, CampaignDiffers, CampaignExists, CampaignMissing, VersionsDiffer
from hangprobe.record import encode, write_whole

LOCK_FILE, TRIALS, TRIAL_FILE = ".lock", "trials", "trial.json"
GONE = ".gone-"
"""A half-made trial's folder on its way out."""
LOCK_LIMIT_S = 15.0
"""A runner that was killed a moment ago may still have a guardian that ends its trial and holds the lock with it."""
ALWAYS_USED = frozenset({"hangprobe", "python", "kernel", "libc", "parsl"})
_NO_LOCKS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}


@dataclass(frozen=True, slots=True)
class Store:
    """A campaign's folder, for the one runner that has its lock."""

    folder: Path
    has_lock: bool

    @property
    def has_campaign(self) -> bool:
        """Whether the plan is on disk: a runner may die before that, and another one begins."""
        return (self.folder / PLAN).is_file()

    def begin(self, campaign: Campaign) -> None:
        """Write down the plan, once. Raises CampaignExists if there is one, or anything else; UnwritableFolder."""
        check_empty(self.folder)
        _write(self.folder / PLAN, campaign)

    def campaign(self) -> Campaign:
        """Return the plan on disk. Raises RecordUnreadable."""
        return read(self.folder).campaign

    def recorded(self) -> dict[int, Trial]:
        """Return the trials on record, by number and in its order. Raises RecordUnreadable."""
        return {trial.number: trial for trial in read(self.folder).trials}

    def prepare(self, planned: Planned) -> Path:
        """Return a fresh folder for a trial; what a killed runner has left of it is wiped."""
        path = trial_folder(self.folder, planned.number)
        if path.exists():
            gone = path.with_name(f"{GONE}{path.name}-{os.getpid()}-{time.monotonic_ns()}")
            path.rename(gone)  # whoever of it still writes does not hinder this
            shutil.rmtree(gone, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def record(self, trial: Trial) -> None:
        """Write down how a trial went. Raises UnwritableFolder."""
        path = trial_folder(self.folder, trial.number)
        _write(path / TRIAL_FILE, trial)
        _sync(path.parent)


@contextmanager
def opened(folder: Path, is_new: bool, wait_s: float = LOCK_LIMIT_S) -> Iterator[Store]:
    """Take a campaign's folder, made if it is to be new.

    Raises CampaignBusy, CampaignMissing, UnwritableFolder.
    """
    if is_new:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnwritableFolder(str(folder), error.strerror or str(error)) from None
    elif not (folder / PLAN).is_file():
        raise CampaignMissing(str(folder))
    lock = _lock(folder, wait_s)
    try:
        if lock is not None or not is_new:
            _tidy(folder)
        yield Store(folder, lock is not None)
    finally:
        if lock is not None:
            os.close(lock)


def check_empty(folder: Path) -> None:
    """Refuse a folder with anything in it. Raises CampaignExists."""
    others = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    if others:
        raise CampaignExists(str(folder), PLAN in others, others[0])


def trial_folder(folder: Path, number: int) -> Path:
    """Return the folder of a trial."""
    return folder / TRIALS / f"{number:04}"


def check_same(on_disk: Campaign, asked: Campaign, folder: Path) -> None:
    """Refuse to go on with a campaign that is another than asked for. Raises CampaignDiffers, VersionsDiffer.

    Versions must be the same too: trials of two Parsls are no trials of one cell. Nodes may be others.
    """
    for name, was, wanted in (
        ("cells", _names(on_disk), _names(asked)),
        ("seed", on_disk.seed, asked.seed),
        ("settings", on_disk.settings, asked.settings),
        ("looks", on_disk.looks, asked.looks),
        ("blocks", _blocks(on_disk), _blocks(asked)),
        ("plan", on_disk.plan, asked.plan),
    ):
        if was != wanted:
            told = name if name in {"cells", "plan", "settings", "looks"} else f"{name} ({was} there, {wanted} asked)"
            raise CampaignDiffers(str(folder), f"its {told} differ from what is asked for")
    check_versions(on_disk, asked.environment.versions, folder)


def check_versions(on_disk: Campaign, versions: dict[str, str], folder: Path) -> None:
    """Refuse to mix versions of what the campaign uses. Raises VersionsDiffer."""
    used = {cell.mpi for cell in on_disk.cells} | {f"parsl {cell.parsl}" for cell in on_disk.cells} | ALWAYS_USED
    if any(cell.launcher in TABLE and TABLE[cell.launcher].program == "parallel" for cell in on_disk.cells):
        used.add("GNU parallel")
    for name, was in on_disk.environment.versions.items():
        if name in used and (now := versions.get(name, was)) != was:
            raise VersionsDiffer(str(folder), name, was, now)


def _names(campaign: Campaign) -> frozenset[tuple[str, str, str, str]]:
    return frozenset((cell.launcher, cell.workload, cell.mpi, cell.parsl) for cell in campaign.cells)


def _blocks(campaign: Campaign) -> int:
    return max((each.block for each in campaign.plan), default=0)


def _lock(folder: Path, wait_s: float) -> int | None:
    """Return the lock, None where the file system has none. Raises CampaignBusy, UnwritableFolder."""
    try:
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise UnwritableFolder(str(folder), error.strerror or str(error)) from None
    deadline_s = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except OSError as error:
            is_held = error.errno in {errno.EWOULDBLOCK, errno.EACCES}
            if is_held and time.monotonic() < deadline_s:
                time.sleep(0.05)
                continue
            os.close(lock)
            if is_held:
                raise CampaignBusy(str(folder)) from None
            if error.errno in _NO_LOCKS:
                return None
            raise UnwritableFolder(str(folder), error.strerror or str(error)) from None


def _tidy(folder: Path) -> None:
    """Remove what killed runners have left half-way: temporary files, and folders on their way out."""
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()
    for path in (folder / TRIALS).glob(f"{GONE}*"):
        shutil.rmtree(path, ignore_errors=True)


def _write(path: Path, value: Campaign | Trial) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)  # a trial's is not there if it could not be prepared
        write_whole(path, encode(value))
        _sync(path.parent)
    except OSError as error:
        raise UnwritableFolder(str(path.parent), error.strerror or str(error)) from None


def _sync(folder: Path) -> None:
    """Bring a folder's entries to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
