"""One node: a process that makes its namespaces, and the first process in them, which keeps its daemons.

Forked by site.py, never executed: what a node needs is in memory, which is what makes it start in milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hangprobe.errors.tools import TestbedFailed
from hangprobe.testbed import folders, namespaces, slurm
from hangprobe.testbed.layout import INSIDE, LOGS, SYSTEM_PATH, Plan, node_links, node_name
from hangprobe.testbed.telling import in_one_line
from hangprobe.testbed.tools import find, last_words, run_tool


@dataclass(frozen=True, slots=True)
class Pipes:
    """How a node and the site talk while it is built."""

    report: int  # to the site: "NUMBER PID" of the node's first process, or "error TEXT", a line each
    go: int  # to the node: its end, when the cables are there


def fork_node(plan: Plan, number: int, pipes: Pipes, user: int | None, inherited: list[int]) -> None:
    """Start a node, which reports its first process. `user`: the user namespace of jobs; `inherited`: not for nodes."""
    if os.fork() == 0:
        for descriptor in inherited:
            os.close(descriptor)
        guarded(pipes.report, lambda: _become(plan, number, pipes, user))


def guarded(report: int, body: Callable[[], object]) -> NoReturn:
    """Run the body of a forked process; what it raises is reported to the site."""
    try:
        body()
    except BaseException as error:
        os.write(report, f"{in_one_line(error)}\n".encode())
    os._exit(1)


def _become(plan: Plan, number: int, pipes: Pipes, user: int | None) -> NoReturn:
    n = namespaces
    n.unshare(n.NEW_NET | n.NEW_UTS | n.NEW_IPC | n.NEW_MOUNTS | n.NEW_PID)
    pid = os.fork()
    if pid:
        os.write(pipes.report, f"{number} {pid}\n".encode())
        os._exit(0)
    _log_to(node_name(number))
    _settle(plan, number, pipes)
    daemons = {start((find("sshd") or "sshd", "-D", "-e", "-f", f"{INSIDE}/sshd_config"), user): "sshd"}
    if plan.has_slurm:
        slurm.start_on_node(lambda command: start(command, user))
    keep(daemons, pipes.report)


def _log_to(name: str) -> None:
    log = os.open(f"{LOGS}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _settle(plan: Plan, number: int, pipes: Pipes) -> None:
    """Give the node its name, folders and address."""
    socket.sethostname(node_name(number))
    namespaces.cut_mounts()
    folders.make_private([(INSIDE, INSIDE), *((share, share) for share in plan.shares)])
    folders.make_kernel_views()
    os.read(pipes.go, 1)
    os.close(pipes.go)
    run_tool("ip", "-batch", "-", stdin=node_links(number))
    # only now may it be asked for its address: a question too early is repeated after a second
    os.write(pipes.report, f"{number} linked\n".encode())
    if plan.is_rootless:
        Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")


def start(command: tuple[str, ...], user: int | None) -> int:
    """Start a daemon as the testbed's user, with an environment of its own; return its PID."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            # ignored signals outlive an exec: jobs must not get what Python ignores (SIGPIPE, SIGXFSZ)
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            if user is not None:
                namespaces.join_user(user)
            os.execve(command[0], command, {"PATH": SYSTEM_PATH, "HOME": INSIDE, "LC_ALL": "C.UTF-8"})
        finally:
            sys.stderr.write(f"cannot run {command[0]}: {sys.exc_info()[1]}\n")
            sys.stderr.flush()
            os._exit(127)
    return pid


def keep(daemons: dict[int, str], report: int) -> NoReturn:
    """Reap for ever what becomes a child of this first process; while the site builds, tell it of a daemon's end."""

    def reap(signum: int = 0, frame: object = None) -> None:
        for pid in ended_children():
            if pid in daemons:
                words = last_words(Path(LOGS, socket.gethostname()))
                with contextlib.suppress(BrokenPipeError):  # the site has done building
                    tell = in_one_line(TestbedFailed(f"{daemons[pid]} of {socket.gethostname()} ended ({words})"))
                    os.write(report, f"{tell}\n".encode())

    signal.signal(signal.SIGCHLD, reap)
    reap()
    while True:
        signal.pause()


def ended_children() -> Iterator[int]:
    """Reap all children that have ended."""
    with contextlib.suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            yield pid
