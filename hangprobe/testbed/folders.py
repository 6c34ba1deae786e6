"""The mounts that give a machine of the testbed its own /tmp, /run, /dev/shm, /proc, /sys and /etc.

Apart from namespaces.py because it knows what a testbed is for, not how mount(2) is called.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from hangprobe.testbed import namespaces

_PRIVATE = {"/tmp": "mode=1777", "/run": "mode=755", "/dev/shm": "mode=1777"}
_OVERLAID = ("usr/bin", "usr/sbin", "usr/lib")
_ETC_LAYER = "/run/.etc"


def hidden(path: str) -> bool:
    """Say whether a folder lies below one that every machine of a testbed has for itself."""
    return any(path.startswith(f"{private}/") for private in _PRIVATE)


def make_private(binds: Iterable[tuple[str, str]]) -> None:
    """Mount what a machine has for itself; `binds`: (what stays visible, where), opened before it is hidden."""
    kept = [(os.open(source, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), target) for source, target in binds]
    for target, options in _PRIVATE.items():
        namespaces.mount("tmpfs", target, options)
    os.mkdir("/run/sshd", 0o755)  # where sshd confines its unprivileged half
    for descriptor, target in kept:
        os.makedirs(target, exist_ok=True)
        namespaces.bind(f"/proc/self/fd/{descriptor}", target)
        os.close(descriptor)


def make_kernel_views() -> None:
    """Mount /proc for the new PID namespace and /sys for the new network namespace."""
    namespaces.mount("proc", "/proc")
    namespaces.mount("sysfs", "/sys")


def make_terminals() -> None:
    """Mount terminals of the site's own; the ones outside could not be given to its user."""
    namespaces.mount("devpts", "/dev/pts", "mode=620,ptmxmode=666")
    if not stat.S_ISLNK(os.lstat("/dev/ptmx").st_mode):
        namespaces.bind("/dev/pts/ptmx", "/dev/ptmx")


def lay_below(roots: tuple[str, ...]) -> None:
    """Let programs of unpacked packages be found in their usual places, where the system has none of that name."""
    for name in _OVERLAID:
        layers = [f"{root}/{name}" for root in roots if os.path.isdir(f"{root}/{name}")]
        if layers:
            lower = ":".join(layer.replace("\\", "\\\\").replace(":", "\\:") for layer in [f"/{name}", *layers])
            namespaces.mount("overlay", f"/{name}", f"lowerdir={lower}")


def overlay_etc(files: Mapping[str, str]) -> None:
    """Replace files of /etc by these texts, for this mount namespace only.

    An overlay, because a bind over /etc/passwd vanishes when the system replaces that file (apt, useradd). Its upper
    layer is filled before it is mounted: in a namespace of one user, files of others cannot be changed afterwards.
    """
    upper = Path(_ETC_LAYER, "upper")
    for name, text in files.items():
        file = upper / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o600 if name == "shadow" else 0o644)
    Path(_ETC_LAYER, "work").mkdir()
    namespaces.mount("overlay", "/etc", f"lowerdir=/etc,upperdir={upper},workdir={_ETC_LAYER}/work")
