"""Where a process comes from: by fork alone, by exec, or by one of multiprocessing's other start methods.

Seen in the live tree, never taken from a log: for 14 months Parsl logged `Start method: spawn` while it forked.
"""

from __future__ import annotations

from hangprobe.evidence import Lineage
from hangprobe.model import ProcessId, StartMethod, Unreadable
from hangprobe.observe.reader import Reader
from hangprobe.observe.world import World

_SPAWN_MARKS = (b"multiprocessing.spawn", b"--multiprocessing-fork")
_SERVER_MARK = b"multiprocessing.forkserver"
_HELPER_MARK = b"multiprocessing.resource_tracker"


def start_method(reader: Reader, pid: int, parent: int | None, is_forked: bool | None) -> StartMethod | None:
    """Return how a process came to be; None for multiprocessing's own helpers, and where it cannot be told."""
    if is_forked:
        served = parent is not None and _SERVER_MARK in _command(reader, parent)
        return StartMethod.FORKSERVER if served else StartMethod.FORK
    command = _command(reader, pid)
    if is_forked is None or not command or _HELPER_MARK in command or _SERVER_MARK in command:
        return None
    return StartMethod.SPAWN if any(mark in command for mark in _SPAWN_MARKS) else StartMethod.EXEC


def lineage(world: World, process: ProcessId) -> Lineage | Unreadable:
    """Return where a process of a collect comes from, and the threads of the parent that runs now."""
    pid = process.pid
    stat = world.stats.get(pid)
    if stat is None or world.process(pid) != process:
        return Unreadable(f"lineage of pid {pid}", "gone")
    method = start_method(world.reader, pid, stat.parent, stat.is_forked)
    if method is None:
        return Unreadable(f"lineage of pid {pid}", "how it was started cannot be told")
    forked_by = world.fork_parent(pid) if stat.is_forked else stat.parent
    parent = world.process(forked_by) if forked_by and forked_by > 1 else None
    tasks = world.tasks(parent.pid) if parent is not None else []
    return Lineage(process, parent, method, stat.comm or "?", () if isinstance(tasks, Unreadable) else tuple(tasks))


def _command(reader: Reader, pid: int) -> bytes:
    data = reader.guarded(pid, "cmdline")
    return b"" if isinstance(data, Unreadable) else data.replace(b"\0", b" ")
