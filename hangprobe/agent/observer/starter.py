"""Who has started a rank on this node, which need not have asked for it alone."""

from __future__ import annotations

from hangprobe.launch.proctree import Process, read_process
from hangprobe.model import ProcessId, Unreadable
from hangprobe.observe.procfs import parse_environ
from hangprobe.observe.ranks import LAUNCHERS, Marker, job_marker
from hangprobe.observe.reader import Reader


def starter_of(reader: Reader, rank: ProcessId) -> Process | None:
    """Return the launcher's process above a rank: the first that does not carry the rank's own number.

    What carries it, such as a shell or timeout(1) before the application, is part of the rank. None if the rank has
    gone. It may be anybody: a user's shell, the batch system's daemon, an sshd with several sessions, pid 1.
    """
    at = read_process(rank.pid)
    if at is None or at.start_time != rank.start_time:
        return None
    mark = marker_of(reader, at.pid)
    above = read_process(at.ppid)
    while above is not None and above.pid > 1 and above.name not in LAUNCHERS and mark is not None:
        if marker_of(reader, above.pid) != mark:
            break
        above = read_process(above.ppid)
    return above


def marker_of(reader: Reader, pid: int) -> Marker | None:
    """Return the rank that a process's environment names."""
    data = reader.guarded(pid, "environ")
    return None if isinstance(data, Unreadable) else job_marker(parse_environ(data), {})


def standard_objects(reader: Reader, pid: int) -> frozenset[str]:
    """Return what a process has as standard input and outputs, as far as that may be read."""
    links = (reader.link(f"{pid}/fd/{number}") for number in range(3))
    return frozenset(link for link in links if not isinstance(link, Unreadable))
