"""Thin system calls for namespaces and mounts; the one place where their refusals are translated.

By ctypes, because Python has os.unshare and os.setns only since 3.12, and no mount(2). Assumes a single-threaded
process.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from hangprobe.errors.tools import NamespacesForbidden

# linux/sched.h
NEW_MOUNTS = 0x00020000
NEW_UTS = 0x04000000
NEW_IPC = 0x08000000
NEW_USER = 0x10000000
NEW_PID = 0x20000000
NEW_NET = 0x40000000

# linux/mount.h
_READ_ONLY = 1
_BIND = 4096
_RECURSIVE = 16384
_PRIVATE = 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)

_SWITCHES = (
    ("kernel/unprivileged_userns_clone", "0", "1"),  # Debian's patch, before 11
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),  # Ubuntu, since 23.10
    ("user/max_user_namespaces", "0", "15000"),  # the kernel's own; RHEL 7 sets it to 0
)


def unshare(kinds: int) -> None:
    """Leave the present namespaces of these kinds for new ones. Raises NamespacesForbidden."""
    if _libc.unshare(kinds) != 0:
        raise _refusal("unshare")


def join_user(descriptor: int) -> None:
    """Enter a user namespace. Raises NamespacesForbidden."""
    if _libc.setns(descriptor, NEW_USER) != 0:
        raise _refusal("setns")


def map_ids(pid: int | str, inside: tuple[int, int], outside: tuple[int, int]) -> None:
    """Give a new user namespace its one user and group, each (uid, gid). Raises NamespacesForbidden."""
    root = Path(f"/proc/{pid}")
    try:
        # user_namespaces(7): without it an ordinary user may not write gid_map
        (root / "setgroups").write_text("deny")
        (root / "uid_map").write_text(f"{inside[0]} {outside[0]} 1")
        (root / "gid_map").write_text(f"{inside[1]} {outside[1]} 1")
    except OSError as error:
        raise _refusal("uid_map", error.errno) from None


def cut_mounts() -> None:
    """Let no later mount of this namespace be seen outside it, nor the other way round."""
    _mount(None, "/", None, _RECURSIVE | _PRIVATE, None)


def mount(kind: str, target: str, options: str = "") -> None:
    """Mount a new file system of this kind. Raises NamespacesForbidden."""
    _mount(kind, target, kind, 0, options or None)


def bind(source: str, target: str) -> None:
    """Let a folder or file be seen in another place too. Raises NamespacesForbidden."""
    _mount(source, target, None, _BIND | _RECURSIVE, None)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    if _libc.mount(*texts[:3], flags, texts[3]) != 0:
        raise _refusal(f"mount {kind or source or '/'} on {target}")


def _refusal(call: str, number: int | None = None) -> NamespacesForbidden:
    number = ctypes.get_errno() if number is None else number
    return NamespacesForbidden(call, os.strerror(number), *remedy(number))


def remedy(number: int, sysctls: Path = Path("/proc/sys")) -> tuple[str, str]:
    """Return the setting that forbids namespaces, as far as it can be found, and what to do."""
    for name, forbidding, allowing in _SWITCHES:
        try:
            is_set = (sysctls / name).read_text().strip() == forbidding
        except OSError:
            continue
        if is_set:
            key = name.replace("/", ".")
            return f"{key}={forbidding}", f"run it as root, or let root say: sysctl {key}={allowing}"
    if number == errno.ENOSPC:
        return "a limit of the kernel is reached", "let root raise it: sysctl -a --pattern 'user.max_.*_namespaces'"
    if os.geteuid() == 0:
        return "this root has no CAP_SYS_ADMIN (a container?)", "start the container with --privileged, or use its host"
    return "no setting known to hangprobe forbids it (a container's seccomp filter?)", "run it as root, or outside it"
