"""Whether a rank's standard input never ends, once it is known which mpiexec started it, on whatever node. Pure.

What a node can see by itself (`feeding`) ends at the launcher's daemon. The command that started the daemon may run on
another node, and its command line and standard input say whether it feeds the rank.
"""

from __future__ import annotations

from collections.abc import Sequence

from hangprobe.model import Launcher, RankView
from hangprobe.observe.feeding import NOTHING
from hangprobe.starter import Starter


def with_stdin(rank: RankView, starters: Sequence[Starter]) -> RankView:
    """Keep a standard input that never ends only if the command that started the rank is known to feed no others."""
    if rank.stdin is None or rank.stdin.starter is None:
        return rank
    addresses = rank.stdin.starter.split(",")
    mine = [starter for starter in starters if any(is_at(starter, each) for each in addresses)]
    is_openmpi = rank.launcher is Launcher.OPENMPI
    may_feed = (starter.stdin != NOTHING if is_openmpi else starter.feeds_others for starter in mine)
    return rank.but(stdin=rank.stdin.but(starter=None) if mine and not any(may_feed) else None)


def is_at(starter: Starter, address: str) -> bool:
    """Tell whether a command is the one at an address: a name with a port or pid, or exactly an end of a connection."""
    if "#" in address:
        host, _, pid = address.rpartition("#")
        return (host.partition(".")[0], pid) == (starter.process.host.partition(".")[0], str(starter.process.pid))
    host, _, port = address.rpartition(":")
    is_there = host.partition(".")[0] == starter.process.host.partition(".")[0]
    return address in starter.addresses or (is_there and port.isdigit() and int(port) in starter.ports)
