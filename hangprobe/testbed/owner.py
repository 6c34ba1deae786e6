"""The owner: the process with which a testbed lives and dies, and which `testbed status` names.

A program of its own (`python -m hangprobe.testbed.owner PLAN LOCK`), because a detached testbed outlives the command
that made it. Its standard input is a pipe from that command: "detach" lets the testbed stay, an end without it takes
the testbed down. So does SIGTERM; and so does kill -9, because the site (site.py) reads a pipe whose other end only
this process has.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from hangprobe.errors.base import HangprobeError
from hangprobe.errors.tools import TestbedFailed
from hangprobe.testbed import namespaces, site
from hangprobe.testbed.layout import Plan
from hangprobe.testbed.state import State, start_time, write
from hangprobe.testbed.telling import PREFIX, in_one_line

END_LIMIT_S = 2.0


def main(plan: Plan, lock: int) -> None:
    """Build the testbed, say "up" or "error ..." in one line on stdout, and keep it until it is to end."""
    os.set_inheritable(lock, False)  # held until this process and the site have ended
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit())
    try:
        _own(plan)
    except HangprobeError as error:
        _say(in_one_line(error))
    finally:
        if _is_there(plan.folder, lock):  # the site had no time for it, or there was none
            shutil.rmtree(plan.folder, ignore_errors=True)


def _own(plan: Plan) -> None:
    pid, lifeline, ready = _fork_site(plan)
    try:
        _serve(plan, pid, ready)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.close(lifeline)
        _wait_for(pid)


def _is_there(folder: str, lock: int) -> bool:
    """Say whether the folder is still this testbed's own, not one of a new testbed of that name."""
    try:
        return os.path.samestat(os.fstat(lock), os.stat(folder, follow_symlinks=False))
    except OSError:
        return False


def _fork_site(plan: Plan) -> tuple[int, int, int]:
    """Return the site's PID, the lifeline and the pipe on which it says that it is ready."""
    user = namespaces.NEW_USER if plan.is_rootless else 0
    ids = os.getuid(), os.getgid()
    namespaces.unshare(user | namespaces.NEW_PID)
    if plan.is_rootless:
        namespaces.map_ids("self", (0, 0), ids)
    lifeline_end, lifeline = os.pipe()
    ready, ready_end = os.pipe()
    log = os.open(f"{plan.folder}/site.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    pid = os.fork()
    if pid == 0:
        os.close(lifeline)
        os.close(ready)
        null = os.open("/dev/null", os.O_RDONLY)
        for descriptor, standard in ((null, 0), (log, 1), (log, 2)):
            os.dup2(descriptor, standard)
        site.run(plan, lifeline_end, ready_end)
    for descriptor in (lifeline_end, ready_end, log):
        os.close(descriptor)
    return pid, lifeline, ready


def _serve(plan: Plan, pid: int, ready: int) -> None:
    """Tell what became of the site, and return when it is to end or has ended."""
    try:
        parent_end = os.pidfd_open(os.getppid())  # its end of the pipe may live on in children that it forked
    except OSError:
        return
    if ready not in select.select([ready, 0, parent_end], [], [])[0]:
        return
    with open(ready) as lines:
        said = lines.readline().strip() or f"{PREFIX}{TestbedFailed.slug} the site ended while it was built"
    if said == "up":
        write(Path(plan.folder), _state(plan, pid))
    _say(said)
    site_end = os.pidfd_open(pid)
    os.chdir("/")
    if 0 in select.select([site_end, 0, parent_end], [], [])[0] and os.read(0, 64).startswith(b"detach"):
        null = os.open("/dev/null", os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        select.select([site_end], [], [])


def _state(plan: Plan, pid: int) -> State:
    folder = Path(plan.folder)
    return State(
        nodes=plan.nodes,
        owner_pid=os.getpid(),
        owner_start_time=start_time(os.getpid()),
        site_pid=pid,
        site_start_time=start_time(pid),
        networks=tuple(int(word) for word in (folder / "networks").read_text().split()),
        since=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        has_slurm=plan.has_slurm,
    )


def _wait_for(pid: int) -> None:
    """Reap the site, which ends by itself, or is ended after END_LIMIT_S."""
    site_end = os.pidfd_open(pid)
    if not select.select([site_end], [], [], END_LIMIT_S)[0]:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _say(line: str) -> None:
    """Tell the command that made the testbed; it may have gone."""
    try:
        os.write(1, f"{line}\n".encode())
    except BrokenPipeError:
        return


if __name__ == "__main__":
    main(Plan.decode(sys.argv[1]), int(sys.argv[2]))
