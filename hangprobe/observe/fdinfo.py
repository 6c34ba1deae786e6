"""The text of `/proc/PID/fdinfo`, `/proc/locks` and `/proc/PID/mountinfo` to values.

Pure, and apart from `procfs` because only waits for descriptors need it. Formats: proc(5), fs/proc/fd.c, fs/locks.c,
fs/eventpoll.c (ep_show_fdinfo), net/unix/af_unix.c (unix_show_fdinfo). What does not read as it should is None, or left
out where it is one line of many: who counts on it must find it missing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ACCESS_MODE, WRITE_ONLY, READ_ONLY = 0o3, 0o1, 0o0


@dataclass(frozen=True, slots=True)
class FileLock:
    """One line of `/proc/locks`, or a `lock:` line of a descriptor."""

    kind: str
    """`FLOCK`, `POSIX`, `OFDLCK`, `LEASE`, ..."""
    access: str
    pid: int
    """Who took it; -1 for OFD locks, 0 for somebody in another PID namespace."""
    inode: tuple[int, int, int]
    """Major and minor number of the device, and the inode."""
    extent: str
    is_waiting: bool

    @property
    def identity(self) -> tuple[str, str, int, tuple[int, int, int], str]:
        """What the same lock shows in `/proc/locks` and at the descriptor that has it."""
        return self.kind, self.access, self.pid, self.inode, self.extent


@dataclass(frozen=True, slots=True)
class EpollTarget:
    """One file that an epoll descriptor watches."""

    inode: int
    device: int
    """`s_dev` as the kernel keeps it: minor number in the low 20 bits."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What `fdinfo` says of one descriptor."""

    flags: int | None
    mount: int | None
    inode: int | None
    process: int | None
    """The process of a pidfd; -1 if it has ended."""
    files_in_flight: int | None
    """Descriptors on the way to a unix socket (`scm_fds`, since Linux 5.6); None if it does not say."""
    locks: tuple[FileLock, ...]
    targets: tuple[EpollTarget, ...]

    @property
    def can_read(self) -> bool:
        """Whether it may be read from, as far as is known."""
        return self.flags is None or self.flags & ACCESS_MODE != WRITE_ONLY

    @property
    def can_write(self) -> bool:
        """Whether it may be written to, as far as is known."""
        return self.flags is None or self.flags & ACCESS_MODE != READ_ONLY


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of `mountinfo`."""

    device: tuple[int, int]
    point: str
    kind: str
    """The file system's type: `ext4`, `nfs4`, `lustre`, ..."""
    options: str
    """Of the super block; proc's `hidepid` is here."""


_LOCK = re.compile(
    r"^\d+:\s+(?P<waiting>->\s+)?(?P<kind>[A-Z]+)\s+\S+\s+(?P<access>\S+) (?P<pid>-?\d{1,20}) "
    r"(?P<major>[0-9a-f]+):(?P<minor>[0-9a-f]+):(?P<inode>\d{1,20}) (?P<extent>\d+ (?:\d+|EOF))\s*$"
)
_TARGET = re.compile(r"^tfd:.*\bino:([0-9a-f]+) sdev:([0-9a-f]+)")
_MOUNT = re.compile(r"^(\d{1,20}) \d+ (\d{1,20}):(\d{1,20}) \S+ (\S+) .*? - (\S+) \S+ ?(\S*)$")


def parse_descriptor(text: str) -> Descriptor:
    """Parse a file of `fdinfo`."""
    fields: dict[str, str] = {}
    locks: list[FileLock] = []
    targets: list[EpollTarget] = []
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "lock":
            lock = parse_lock(value.strip())
            locks += [lock] if lock is not None else []
        elif name == "tfd":
            found = _TARGET.match(line)
            # An entry that does not read is one that nobody can tell: a target on no device.
            targets.append(EpollTarget(int(found[1], 16), int(found[2], 16)) if found else EpollTarget(0, 0))
        else:
            fields[name] = value.strip()
    return Descriptor(
        flags=_number(fields.get("flags"), 8),
        mount=_number(fields.get("mnt_id"), 10),
        inode=_number(fields.get("ino"), 10),
        process=_number(fields.get("Pid"), 10),
        files_in_flight=_number(fields.get("scm_fds"), 10),
        locks=tuple(locks),
        targets=tuple(targets),
    )


def parse_lock(line: str) -> FileLock | None:
    """Parse one line of `/proc/locks`; None if it is none."""
    found = _LOCK.match(line)
    if found is None:
        return None
    inode = (int(found["major"], 16), int(found["minor"], 16), int(found["inode"]))
    return FileLock(
        found["kind"], found["access"], int(found["pid"]), inode, found["extent"], found["waiting"] is not None
    )


def parse_locks(text: str) -> tuple[FileLock, ...] | None:
    """Parse `/proc/locks`; None if any line of it does not read."""
    locks = [parse_lock(line.strip()) for line in text.splitlines() if line.strip()]
    known = tuple(lock for lock in locks if lock is not None)
    return known if len(known) == len(locks) else None


def parse_mounts(text: str) -> dict[int, Mount]:
    """Parse `mountinfo` to mounts by their number; lines that do not read are left out."""
    mounts: dict[int, Mount] = {}
    for line in text.splitlines():
        if found := _MOUNT.match(line):
            mounts[int(found[1])] = Mount((int(found[2]), int(found[3])), found[4], found[5], found[6])
    return mounts


def _number(word: str | None, base: int) -> int | None:
    try:
        return int(word or "", base)
    except ValueError:
        return None
