"""Begin a testbed: claim its folder, start its owner, wait until it is up.

Apart from cluster.py, which is about testbeds that are up.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hangprobe.errors.base import UsageError
from hangprobe.errors.tools import TestbedExists, TestbedFailed
from hangprobe.testbed import state, tools
from hangprobe.testbed.ending import clear
from hangprobe.testbed.folders import hidden
from hangprobe.testbed.layout import MAX_NODES, SYSTEM_PATH, Plan
from hangprobe.testbed.telling import error_of

PACKAGE_ROOT = Path(__file__).parents[2]
UP_LIMIT_S = 60.0
CLAIM_LIMIT_S = 5.0  # another one of this name may be on its way down


@dataclass(slots=True)
class Owner:
    """The process that keeps a testbed, as its parent sees it."""

    process: subprocess.Popen[str]
    state: state.State

    def detach(self) -> None:
        """Let the testbed outlive this process."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("detach\n")
            self._close()
        except BrokenPipeError:
            raise TestbedFailed("it ended as soon as it was up") from None

    def let_go(self) -> None:
        """Let a testbed that is not detached end."""
        self._close()

    def reap(self) -> None:
        """Reap the owner, if it has ended."""
        self.process.poll()

    def _close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def begin(name: str, folder: Path, nodes: int, shares: tuple[Path, ...], has_slurm: bool) -> Owner:
    """Return the owner of a testbed that is up.

    Raises TestbedExists, NamespacesForbidden, ToolMissing, TestbedFailed, UsageError.
    """
    if not 1 <= nodes <= MAX_NODES:
        raise UsageError(f"a testbed has 1 to {MAX_NODES} nodes, not {nodes}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}", name):
        raise UsageError(f"'{name}' cannot be the name of a testbed", "use letters, digits, '-', '_' and '.'")
    if unseen := [str(share) for share in shares if not share.is_dir()]:
        raise UsageError(f"there is no folder {unseen[0]}", "name a folder with --share DIR")
    roots = tools.roots((*tools.SSH, *tools.SLURM) if has_slurm else tools.SSH)
    plan = Plan(
        nodes=nodes,
        folder=str(folder),
        uid=os.geteuid(),
        gid=os.getegid(),
        shares=visible((*shares, *_own_folders(), *map(Path, roots))),
        roots=roots,
        path=search_path(),
        shell=shutil.which("bash") or "/bin/sh",
        has_slurm=has_slurm,
    )
    lock = _claim(folder, name)
    try:
        process = _start(plan, lock)
    finally:
        os.close(lock)
    try:
        _wait_until_up(process)
    except BaseException:
        clear(folder)  # its owner may have been killed before it could
        raise
    known = state.read(folder)
    if known is None:
        raise TestbedFailed(f"testbed '{name}' ended as soon as it was up")
    return Owner(process, known)


def search_path() -> str:
    """Return PATH as it is inside: this Python's programs first, the system's own last."""
    folders = [f"{sys.prefix}/bin", *os.environ.get("PATH", "").split(":"), *SYSTEM_PATH.split(":")]
    return ":".join(dict.fromkeys(folder for folder in folders if folder.startswith("/")))


def _own_folders() -> tuple[Path, ...]:
    """Return what is needed to run this Python and what the user works on."""
    return (Path.cwd(), Path(sys.prefix), Path(sys.base_prefix), PACKAGE_ROOT)


def visible(folders: Iterable[Path]) -> tuple[str, ...]:
    """Return the folders that would be hidden inside, those within others left out."""
    names = sorted({os.path.realpath(folder) for folder in folders if os.path.isdir(folder)})
    kept: list[str] = []
    for name in filter(hidden, names):
        if not any(name.startswith(f"{other}/") for other in kept):
            kept.append(name)
    return tuple(kept)


def _claim(folder: Path, name: str) -> int:
    """Return the lock of a new, empty folder. Raises TestbedExists, TestbedFailed."""
    deadline_s = time.monotonic() + CLAIM_LIMIT_S
    while time.monotonic() < deadline_s:
        try:
            with contextlib.suppress(FileExistsError):
                folder.mkdir(0o700)
            lock = _lock_emptied(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            why = error.strerror or str(error)
            raise TestbedFailed(f"cannot make {folder}: {why}", "use another name: --name NAME") from None
        if lock is not None:
            return lock
        if (known := state.read(folder)) is not None:
            raise TestbedExists(name, f"is up already, with {known.nodes} nodes")
        time.sleep(0.02)
    raise TestbedExists(name, "is being built or taken down by another process")


def _lock_emptied(folder: Path) -> int | None:
    """Lock a folder and empty it of what a testbed that was killed as a whole has left; None if it is in use."""
    lock = state.lock(folder)
    if lock is None:
        return None
    try:
        if os.path.samestat(os.fstat(lock), os.stat(folder, follow_symlinks=False)):
            _empty(folder)
            return lock
    except OSError:
        os.close(lock)
        raise
    os.close(lock)
    return None


def _empty(folder: Path) -> None:
    if folder.stat().st_uid != os.geteuid():
        raise PermissionError(0, "it belongs to another user")
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _start(plan: Plan, lock: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-S", "-P", "-m", "hangprobe.testbed.owner", plan.encode(), str(lock)]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE_ROOT)}
    with open(f"{plan.folder}/owner.log", "w") as log:
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,
            text=True,
        )


def _wait_until_up(process: subprocess.Popen[str]) -> None:
    """Wait for the owner's word; what it complains of is raised here."""
    assert process.stdin is not None
    assert process.stdout is not None
    said = ""
    try:
        if select.select([process.stdout], [], [], UP_LIMIT_S)[0]:
            said = process.stdout.readline().strip()
        if said != "up":
            raise error_of(said)
    except BaseException:
        process.stdin.close()
        process.wait(UP_LIMIT_S)
        process.stdout.close()
        raise
