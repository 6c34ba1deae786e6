"""The login node: a process table of its own, and for the rest the namespaces in which the site builds.

The site cannot be its first process: nodes are the site's children, and whoever sees the site's table sees theirs.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from hangprobe.errors.tools import TestbedFailed
from hangprobe.testbed import folders, namespaces
from hangprobe.testbed.layout import HOME, INSIDE, LOGIN, LOGS, USERS, Plan, etc_files
from hangprobe.testbed.node import guarded, keep
from hangprobe.testbed.telling import error_of

READY = b"ready\n"
SAY_LIMIT_S = 10.0


def settle(plan: Plan) -> None:
    """Give the login node its name and folders."""
    namespaces.unshare(namespaces.NEW_NET | namespaces.NEW_UTS | namespaces.NEW_IPC | namespaces.NEW_MOUNTS)
    socket.sethostname(LOGIN)
    namespaces.cut_mounts()
    accounts = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
    folders.make_private([(plan.folder, INSIDE), *((share, share) for share in plan.shares)])
    folders.make_kernel_views()
    folders.make_terminals()
    folders.lay_below(plan.roots)
    folders.overlay_etc(etc_files(plan, *accounts))
    for folder in (HOME, LOGS):
        os.mkdir(folder, 0o700)


def make_users(plan: Plan, inherited: list[int]) -> int | None:
    """Make the user namespace of jobs, which the file USERS is afterwards; return it, None as root.

    One for the whole testbed: a process may look into another one of the same user only in the same user namespace.
    """
    if not plan.is_rootless:
        return None
    stay_end, stay = os.pipe()

    def body(report: int) -> None:
        namespaces.unshare(namespaces.NEW_USER)
        os.write(report, READY)
        os.read(stay_end, 1)

    pid = _fork([*inherited, stay], body)
    namespaces.map_ids(pid, (plan.uid, plan.gid), (0, 0))
    Path(USERS).touch(0o600)
    # held by a mount, not by a process: no job can end it
    namespaces.bind(f"/proc/{pid}/ns/user", USERS)
    user = os.open(USERS, os.O_RDONLY | os.O_CLOEXEC)
    os.close(stay)
    os.close(stay_end)
    os.waitpid(pid, 0)
    return user


def fork_first(inherited: list[int]) -> int:
    """Start the first process of the login node's own table; return its PID.

    From now on what the site starts belongs to that table, and /proc shows it: to the site too, which is not in it.
    """
    namespaces.unshare(namespaces.NEW_PID)
    return _fork(inherited, _be_first)


def _be_first(report: int) -> NoReturn:
    namespaces.mount("proc", "/proc")
    os.write(report, READY)
    os.close(report)
    keep({}, report)


def _fork(inherited: list[int], body: Callable[[int], object]) -> int:
    """Start a process and wait until its body says READY. Raises what the body raises."""
    report, report_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        for descriptor in (*inherited, report):
            os.close(descriptor)
        guarded(report_end, lambda: body(report_end))
    os.close(report_end)
    said = os.read(report, 4096) if select.select([report], [], [], SAY_LIMIT_S)[0] else b""
    os.close(report)
    if said != READY:
        raise error_of(said.decode().strip()) if said else TestbedFailed("the login node was not built")
    return pid
