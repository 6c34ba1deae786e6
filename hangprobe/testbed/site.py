"""The site: the process that is the first of the testbed's outer namespaces, and with which all of it ends.

It builds the login node around itself, forks the nodes and, last, the first process of login's own table, and waits for
the end of its lifeline, a pipe from the owner (owner.py): when that closes, for whatever reason, everything in its PID
namespace is killed, nodes and login with it, and the testbed's folder removed.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from hangprobe.errors.tools import TestbedFailed
from hangprobe.testbed import login, slurm
from hangprobe.testbed.layout import INSIDE, LOGS, Plan, addresses, site_links, sshd_config
from hangprobe.testbed.node import Pipes, ended_children, fork_node, start
from hangprobe.testbed.telling import PREFIX, error_of, in_one_line
from hangprobe.testbed.tools import last_words, run_tool

BUILD_LIMIT_S = 30.0
REAP_LIMIT_S = 1.0


def run(plan: Plan, lifeline: int, ready: int) -> NoReturn:
    """Be the site; `ready` gets "up" or "error TEXT", one line."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # of the first process of a PID namespace: no effect, from anybody
    os.umask(0o022)
    parent = os.open(os.path.dirname(plan.folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    try:
        first = _or_report(lambda: _build(plan, [lifeline, ready, parent]), ready)
        signal.signal(signal.SIGCHLD, lambda signum, frame: _reap(first))
        _reap(first)
        os.write(ready, b"up\n")
        os.read(lifeline, 1)
    finally:
        _end(parent, os.path.basename(plan.folder))


def _reap(first: int) -> None:
    """Reap children; without the first process of login, which only somebody outside can end, there is no testbed."""
    if first in list(ended_children()):
        sys.exit()


def _or_report(body: Callable[[], int], ready: int) -> int:
    try:
        return body()
    except Exception as error:
        os.write(ready, f"{in_one_line(error)}\n".encode())
        raise


def _end(parent: int, name: str) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)  # kill(2): every other process of this PID namespace
    _reap_all()
    shutil.rmtree(name, ignore_errors=True, dir_fd=parent)
    os._exit(0)


def _reap_all() -> None:
    """Reap what was killed. The end of login waits for commands of `exec`, which are children of somebody outside."""
    deadline_s = time.monotonic() + REAP_LIMIT_S
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline_s:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)


def _build(plan: Plan, inherited: list[int]) -> int:
    """Build everything; return the first process of the login node."""
    deadline_s = time.monotonic() + BUILD_LIMIT_S
    login.settle(plan)
    user = login.make_users(plan, inherited)
    _make_keys()
    Path(INSIDE, "sshd_config").write_text(sshd_config(plan))
    report, report_end = os.pipe()
    go_end, go = os.pipe()
    for number in range(1, plan.nodes + 1):
        fork_node(plan, number, Pipes(report_end, go_end), user, [*inherited, report, go])
    os.close(report_end)
    os.close(go_end)
    pids = _first_processes(report, plan.nodes, deadline_s)
    _write_networks(["self", *map(str, pids.values())])
    run_tool("ip", "-batch", "-", stdin=site_links(pids))
    first = login.fork_first([*inherited, report, go])
    if plan.has_slurm:
        slurm.start_on_login(lambda command: start(command, user), deadline_s)
    os.close(go)
    _read_lines(report, plan.nodes, deadline_s)
    for name, address in addresses(plan.nodes).items():
        _wait_for_sshd(name, address, report, deadline_s)
    if plan.has_slurm:
        slurm.wait_until_ready(plan.nodes, deadline_s)
    os.close(report)
    return first


def _make_keys() -> None:
    """Make one key for the user and one for all hosts."""
    for name in ("id", "hostkey"):
        run_tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "testbed", "-f", f"{INSIDE}/{name}")


def _write_networks(pids: list[str]) -> None:
    """Write which network namespaces belong to the testbed, so that `down` can see that nobody is left in one."""
    inodes = [os.stat(f"/proc/{pid}/ns/net").st_ino for pid in pids]
    Path(INSIDE, "networks").write_text(f"{' '.join(map(str, inodes))}\n")


def _first_processes(report: int, count: int, deadline_s: float) -> dict[int, int]:
    """Return node number -> PID of its first process, as the site sees it."""
    pairs = [line.split() for line in _read_lines(report, count, deadline_s)]
    return {int(number): int(pid) for number, pid in sorted(pairs)}


def _read_lines(report: int, count: int, deadline_s: float) -> list[str]:
    """Return one line of every node."""
    said = b""
    while said.count(b"\n") < count:
        said += _read_report(report, deadline_s)
    return said.decode().splitlines()


def _read_report(report: int, deadline_s: float) -> bytes:
    """Return what nodes have to say. Raises TestbedFailed for an error or silence."""
    if not select.select([report], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
        raise TestbedFailed(f"a node was not built within {BUILD_LIMIT_S:.0f} s")
    said = os.read(report, 65536)
    for line in said.decode().splitlines():
        if line.startswith(PREFIX):
            raise error_of(line)
    if not said:
        raise TestbedFailed("a node ended while it was built")
    return said


def _wait_for_sshd(name: str, address: str, report: int, deadline_s: float) -> None:
    while True:
        with socket.socket() as link:
            link.settimeout(1.0)
            if link.connect_ex((address, 22)) == 0:
                return
        if time.monotonic() > deadline_s:
            raise TestbedFailed(f"the sshd of {name} does not answer ({last_words(Path(LOGS, name))})")
        # a node that cannot be built says so instead
        if select.select([report], [], [], 0.005)[0]:
            _read_report(report, deadline_s)
