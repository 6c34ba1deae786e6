"""Take a testbed down, and see that nothing of it is left: no process, no folder.

Its mounts and networks belong to namespaces, which end with the last process in them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

from hangprobe.errors.tools import TestbedFailed
from hangprobe.testbed import state
from hangprobe.testbed.state import State, start_time

PATIENCE_S = 3.0  # the owner's own patience with the site is 2 s
KILL_LIMIT_S = 2.0


def end(folder: Path, known: State) -> None:
    """End a testbed. Raises TestbedFailed if something is left."""
    _send(known.owner_pid, known.owner_start_time, signal.SIGTERM)
    if _wait(folder, known, PATIENCE_S):
        _send(known.site_pid, known.site_start_time, signal.SIGKILL)
        _send(known.owner_pid, known.owner_start_time, signal.SIGKILL)
        _remove(folder)
        if left := _wait(folder, known, KILL_LIMIT_S):
            raise TestbedFailed(f"left of testbed {folder.name}: {', '.join(left)}", "end these by hand")


def clear(folder: Path) -> bool:
    """Remove the folder of a testbed that was killed as a whole; say whether there was one."""
    return folder.is_dir() and _remove(folder)


def _wait(folder: Path, known: State, limit_s: float) -> list[str]:
    """Return what is still there after so long at most."""
    deadline_s = time.monotonic() + limit_s
    while (left := _left(folder, known)) and time.monotonic() < deadline_s:
        _reap_adopted()
        time.sleep(0.01)
    return left


def _reap_adopted() -> None:
    """Reap the testbed's processes that this one has adopted as a subreaper: its pid 1 waits until that is done.

    They are known by a number in a PID namespace below this process's own; whatever it has started itself has none.
    """
    with contextlib.suppress(OSError):
        levels = len(_status(os.getpid()).get("NSpid", []))
        for task in os.listdir("/proc/self/task"):
            for pid in map(int, Path(f"/proc/self/task/{task}/children").read_text().split()):
                status = _status(pid)
                if status.get("State", ["?"])[0] == "Z" and len(status.get("NSpid", [])) > levels:
                    os.waitpid(pid, os.WNOHANG)


def _status(pid: int) -> dict[str, list[str]]:
    lines = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value.split() for name, _, value in lines}


def _left(folder: Path, known: State) -> list[str]:
    keepers = ((known.owner_pid, known.owner_start_time), (known.site_pid, known.site_start_time))
    left = [f"process {pid}" for pid, started in keepers if start_time(pid) == started]
    if left:
        return left
    left = [f"process {pid}" for pid in inhabitants(known.networks)]
    return [*left, str(folder)] if folder.exists() else left


def inhabitants(networks: tuple[int, ...]) -> list[int]:
    """Return the processes in these network namespaces, as far as they may be looked into: the user's own may."""
    found = []
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}/ns/net").st_ino in networks:
                found.append(pid)
    return found


def _send(pid: int, started: int, number: signal.Signals) -> None:
    """Send a signal to a process that is certainly the one that is meant."""
    with contextlib.suppress(OSError):
        process = os.pidfd_open(pid)
        try:
            if start_time(pid) == started:
                signal.pidfd_send_signal(process, number)
        finally:
            os.close(process)


def _remove(folder: Path) -> bool:
    """Remove a folder that nobody holds; say whether it is gone by it."""
    with contextlib.suppress(OSError):
        lock = state.lock(folder)
        if lock is not None:
            try:
                shutil.rmtree(folder)
            finally:
                os.close(lock)
            return True
    return False
