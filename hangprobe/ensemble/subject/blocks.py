"""A block from outside: whether its script has ended, and the end of all that the driver has started.

Parsl tells the state of a block under several names in its versions; the provider's own answer is asked for, which
for LocalProvider is a look at a pid and at a file.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any, Sequence

ASK_S = 1.0
"""How often a local block is asked about."""
ASK_FAR_S = 5.0
"""How often one is that a scheduler must be asked about; Parsl itself keeps its answers for up to 60 s."""


class Watch:
    """The blocks of some executors."""

    def __init__(self, executors: list[Any]) -> None:
        """Nothing is asked yet."""
        self.executors = executors
        self.states: dict[str, str] = {}
        self._asked = 0.0
        is_local = all(type(each.provider).__name__ == "LocalProvider" for each in executors)
        self._period_s = ASK_S if is_local else ASK_FAR_S

    def ended(self) -> bool:
        """Return whether there were blocks, and all of them have ended."""
        now = time.monotonic()
        if now >= self._asked + self._period_s:
            self._asked = now
            self.states = {block: name for each in self.executors for block, name in _states(each).items()}
            self._has_ended = bool(self.states) and all(
                not name.startswith(("PENDING", "RUNNING", "UNKNOWN", "HELD")) for name in self.states.values()
            )
        return self._has_ended


def _states(executor: Any) -> dict[str, str]:
    """Return block -> state, as its provider has it now."""
    jobs = getattr(executor, "blocks_to_job_id", None)
    if jobs is None:
        jobs = getattr(executor, "blocks", {})
    jobs = {str(block): job for block, job in dict(jobs).items() if job is not None}
    try:
        states = executor.provider.status(list(jobs.values())) if jobs else []
        found = {block: _words(state) for block, state in zip(jobs, states)}
    except Exception as error:  # a provider's status may fail in any way of its own
        found = {block: f"UNKNOWN ({type(error).__name__}: {error})" for block in jobs}
    for block, state in dict(getattr(executor, "_simulated_status", {})).items():  # a block that never was submitted
        found.setdefault(str(block), _words(state))
    return found


def _words(status: Any) -> str:
    name = getattr(getattr(status, "state", None), "name", "UNKNOWN")
    code, message = getattr(status, "exit_code", None), getattr(status, "message", None)
    return name + (f" (exit {code})" if code is not None else "") + (f": {message}" if message else "")


def managers_at_first(executor: Any) -> int:
    """Return how many managers come without any task: none, if blocks are asked for by need."""
    provider = executor.provider
    first = max(int(getattr(provider, name, 0) or 0) for name in ("init_blocks", "min_blocks"))
    return first * int(getattr(provider, "nodes_per_block", 1) or 1)


def managers_of(executor: Any) -> int:
    """Return how many managers it will have, at least one block's."""
    return managers_at_first(executor) or int(getattr(executor.provider, "nodes_per_block", 1) or 1)


def workers_of(executor: Any) -> int | None:
    """Return how many workers a manager of it has; None if only the node decides."""
    for name in ("max_workers_per_node", "max_workers"):
        count: Any = getattr(executor, name, None)
        if count is not None and count != float("inf"):
            return int(count)
    return None


def is_here(executor: Any) -> bool:
    """Return whether its managers are started on the node on which the driver runs, and on no other."""
    provider = executor.provider
    is_local = type(provider).__name__ == "LocalProvider"
    # an old Parsl's LocalProvider may go through a channel to another host
    is_local = is_local and type(getattr(provider, "channel", None)).__name__ in ("NoneType", "LocalChannel")
    launcher = type(getattr(provider, "launcher", None)).__name__
    return is_local and launcher in ("SingleNodeLauncher", "SimpleLauncher")


def clean_up(kernel: Any, executors: list[Any], limit_s: float) -> bool:
    """Let Parsl end what it has started, for so long, then end the rest; return whether Parsl came to its end.

    Worst case limit_s and half a second. Managers that an mpiexec or a GNU parallel has started on other nodes are
    their launcher's to end, or end at Parsl's heartbeat threshold.
    """
    scripts = [pid for executor in executors for pid in _script_groups(executor)]
    cleaning = threading.Thread(target=_quietly, args=(kernel.cleanup,), daemon=True)
    cleaning.start()
    cleaning.join(limit_s)
    end_processes(scripts)
    return not cleaning.is_alive()


def end_processes(groups: Sequence[int] = ()) -> None:
    """End process groups, and the children of this process: an interchange, say."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        alive = [group for group in groups if _signal(os.killpg, group, number)]
        alive += [pid for pid in _children() if _signal(os.kill, pid, number)]
        if alive:
            time.sleep(0.25)


def _script_groups(executor: Any) -> list[int]:
    """Return the process groups of LocalProvider's blocks, except the driver's own."""
    groups = []
    for job in dict(getattr(executor.provider, "resources", {})).values():
        pid: Any = job.get("remote_pid") if isinstance(job, dict) else None
        try:
            groups.append(os.getpgid(int(pid)))
        except (TypeError, ValueError, OSError):
            continue
    return [group for group in groups if group != os.getpgrp()]


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _signal(send: Any, target: int, number: int) -> bool:
    try:
        send(target, number)
    except OSError:
        return False
    return True


def _quietly(function: Any) -> None:
    try:
        function()
    except Exception as error:  # what it says is in Parsl's log; the driver leaves all the same
        sys.stderr.write(f"parsl's clean-up: {type(error).__name__}: {error}\n")
