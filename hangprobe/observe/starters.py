"""The launchers' own commands on this node: mpiexec may run on another node than the ranks that it feeds, or does not.

A proxy knows its mpiexec by the port on which that listens, or to which it is connected: here it is read who has which
ports. (Intel's mpiexec closes the listening socket once all proxies have come.)
"""

from __future__ import annotations

from hangprobe.model import Unreadable
from hangprobe.observe.census import Census
from hangprobe.observe.feeding import feeds_others, is_starter, read_command
from hangprobe.observe.reader import Reader
from hangprobe.observe.tcp import ESTABLISHED, LISTENING, connections
from hangprobe.observe.trees import is_own
from hangprobe.starter import Starter


def starters(reader: Reader, host: str) -> tuple[Starter, ...]:
    """Return every launcher's command of this user."""
    census = Census(reader, host)
    census.scan()
    found = []
    for pid in census.stats:
        command = read_command(reader, pid) if is_own(pid) else []
        process = census.process(pid)
        if process is not None and command and is_starter(command):
            feeds = feeds_others(reader, pid, command)
            known = connections(reader, pid)
            ports = tuple(sorted({each.port for each in known if each.state == LISTENING}))
            ends = tuple(sorted({each.own for each in known if each.state == ESTABLISHED}))
            stdin = reader.link(f"{pid}/fd/0")
            link = None if isinstance(stdin, Unreadable) else stdin
            found.append(Starter(process, ports, ends, feeds, link, tuple(command)))
    return tuple(found)
