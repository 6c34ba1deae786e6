"""What is known of a testbed from outside: its folder, and state.json in it.

A testbed's folder is there from the beginning of `up` to the end of `down`; its owner holds a lock on it all that time.
So a folder without a lock was left by a testbed that was killed as a whole, and may be removed.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

STATE = "state.json"


@dataclass(frozen=True, slots=True)
class State:
    """A testbed that is up."""

    nodes: int
    owner_pid: int
    owner_start_time: int  # clock ticks since boot: with the PID, an identity
    site_pid: int  # the first process of its outer PID namespace, as seen from outside; that of login is its children's
    site_start_time: int
    networks: tuple[int, ...]  # inode numbers of its network namespaces: who is in one of them belongs to it
    since: str  # UTC, ISO 8601
    has_slurm: bool


def folder_of(name: str) -> Path:
    """Return where a testbed of this user has its folder: always /tmp, so that any shell of the user finds it.

    systemd-tmpfiles(8) leaves a folder that is locked alone.
    """
    return Path(f"/tmp/hangprobe-testbed-{os.geteuid()}-{name}")


def lock(folder: Path) -> int | None:
    """Return a descriptor that holds the folder's lock, or None if somebody has it. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write(folder: Path, state: State) -> None:
    """Write the state, whole or not at all."""
    draft = folder / f".{STATE}"
    draft.write_text(json.dumps(asdict(state)) + "\n")
    draft.rename(folder / STATE)


def read(folder: Path) -> State | None:
    """Return the state of a testbed that is up, None if there is none or it is being built."""
    try:
        if folder.stat().st_uid != os.geteuid():  # /tmp is everybody's
            return None
        fields = json.loads((folder / STATE).read_text())
        known = {field.name: fields[field.name] for field in dataclasses.fields(State)}  # others: another release's
        state = State(**{**known, "networks": tuple(known["networks"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return state if start_time(state.site_pid) == state.site_start_time else None


def start_time(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; -1 if there is none or it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] in "ZX" else int(fields[19])
