"""A read from the socket that is a process's standard input: never proof of anything, but a launcher may be behind it.

Intel MPI's Hydra gives its ranks a socket where MPICH's gives a pipe.
"""

from __future__ import annotations

from hangprobe.model import Keeper, ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.holders import Holders
from hangprobe.observe.waits.descriptors import peer_of
from hangprobe.observe.waits.shapes import Shape


def resolve(thread: ThreadId, shape: Shape, holders: Holders) -> Wait | Unreadable:
    """Return a wait whose keepers are the holders of the socket's other end; unreadable for any other socket."""
    world, base = holders.world, f"{thread.process.pid}/task/{thread.tid}"
    link, standard = world.reader.link(f"{base}/fd/{shape.descriptor}"), world.reader.link(f"{base}/fd/0")
    if isinstance(link, Unreadable) or link != standard:
        return Unreadable("socket", "a blocking call on a socket may time out, or be ended by a holder of its own end")
    peer = peer_of(link, holders)
    found = peer if isinstance(peer, Unreadable) else holders.of(peer)
    if isinstance(found, Unreadable):
        return found
    known = [process for pid in found.pids if (process := world.process(pid)) is not None]
    wakers = frozenset(ThreadId(process, process.pid) for process in known)
    keepers = tuple(Keeper(process) for process in known)
    return Wait(WaitKind.SOCKET_READ, link, wakers, keepers=keepers, assumes=found.assumes)
