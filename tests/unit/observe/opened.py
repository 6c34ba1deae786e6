"""Open descriptors as a synthetic `/proc` shows them: what the link leads to, and the lines of `fdinfo`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DISK, NFS, LUSTRE, UNKNOWN = 15, 16, 17, 99
"""Numbers of mounts: a local file system, two of a cluster's, and one that `mountinfo` does not show."""
MOUNTS = f"""{DISK} 1 254:2 / /scratch rw,relatime - ext4 /dev/vda2 rw
{NFS} 1 0:41 / /home rw,relatime shared:7 - nfs4 server:/home rw,vers=4.2
{LUSTRE} 1 0:42 / /lus/grand rw - lustre mgs@tcp:/grand rw
"""
FILE = "/scratch/data.lock"


@dataclass(frozen=True)
class Open:
    """One open descriptor."""

    link: str
    info: str


def opened(link: str, flags: int = 0o2, mount: int = 14, inode: int = 9, more: Iterable[str] = ()) -> Open:
    """Return a descriptor with the lines that each one has, and more."""
    lines = ("pos:\t0", f"flags:\t0{flags:o}", f"mnt_id:\t{mount}", f"ino:\t{inode}", *more)
    return Open(link, "\n".join(lines) + "\n")


def reads(pipe: int) -> Open:
    """Return the read end of a pipe."""
    return opened(f"pipe:[{pipe}]", 0o0, inode=pipe)


def writes(pipe: int) -> Open:
    """Return the write end of a pipe; O_WRONLY | O_CLOEXEC."""
    return opened(f"pipe:[{pipe}]", 0o2000001, inode=pipe)


def reads_and_writes(pipe: int) -> Open:
    """Return a pipe that was opened anew through `/proc/PID/fd` for both."""
    return opened(f"pipe:[{pipe}]", 0o2, inode=pipe)


def unix_socket(inode: int, in_flight: int = 0) -> Open:
    return opened(f"socket:[{inode}]", inode=inode, more=[f"scm_fds: {in_flight}"])


def pidfd(pid: int | str, link: str = "anon_inode:[pidfd]") -> Open:
    return opened(link, 0o2000002, more=[f"Pid:\t{pid}", f"NSpid:\t{pid}"])


def epoll(*targets: tuple[int, int, int]) -> Open:
    """Return an epoll descriptor; a target is the number it was added by, its inode and its device."""
    lines = [
        f"tfd: {number:8d} events:       19 data: {number:16x}  pos:0 ino:{inode:x} sdev:{device:x}"
        for number, inode, device in targets
    ]
    return opened("anon_inode:[eventpoll]", more=lines)


def lock_line(
    kind: str = "FLOCK", pid: int = 200, *, inode: int = 77, access: str = "WRITE", device: str = "fe:02", by: int = 1
) -> str:
    """Return a line of `/proc/locks`."""
    mode = "POSIX" if kind == "POSIX" else kind
    return f"{by}: {mode}  ADVISORY  {access} {pid} {device}:{inode} 0 EOF"


def waiting_line(kind: str = "FLOCK", pid: int = 100, inode: int = 77) -> str:
    """Return the line of somebody who waits for a lock."""
    return f"1: -> {kind}  ADVISORY  WRITE {pid} fe:02:{inode} 0 EOF"


def file(*locks: str, mount: int = DISK, inode: int = 77, link: str = FILE) -> Open:
    """Return an open file, with the locks that it shows."""
    return opened(link, 0o2, mount, inode, [f"lock:\t{line}" for line in locks])
