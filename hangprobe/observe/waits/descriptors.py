"""Who can end a wait for a descriptor, by what the descriptor leads to: pipes, connected unix sockets, pidfds.

A reader of a pipe wakes when somebody writes or when the last write end is closed, a writer when somebody reads, when
the last read end is closed, or when any holder makes the pipe larger (F_SETPIPE_SZ, fcntl(2)). A connected unix socket
wakes by either side: whoever holds one's own end may shut it down. Everything else (an eventfd, which kernel AIO and
drivers signal too, timers, terminals, devices, the network, a FIFO with a name) may wake by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from hangprobe.model import Assumption, Hidden, Keeper, ThreadId, Unreadable
from hangprobe.observe.fdinfo import Descriptor
from hangprobe.observe.holders import Found, Holders
from hangprobe.observe.tables import Holding
from hangprobe.observe.waits.child import living_threads
from hangprobe.observe.waits.shapes import PIDFD_LINKS
from hangprobe.observe.world import World


@dataclass(frozen=True, slots=True)
class Ends:
    """All that could end a wait for one descriptor."""

    object: str
    wakers: frozenset[ThreadId]
    assumes: tuple[Assumption, ...] = ()
    keepers: tuple[Keeper, ...] = ()


def read_end(thread: ThreadId, link: str, holders: Holders) -> Ends | Unreadable:
    """Return who could end the wait of a pipe's reader: all holders of the write end.

    No holder at all, the reader included, proves that one is hidden. The reader itself as the only one: nobody.
    """
    if not link.startswith("pipe:["):
        return Unreadable("pipe", f"reads from {link}, which others may open by name")
    found = _with_access(holders, link, is_write=True)
    if isinstance(found, Unreadable):
        return found
    if not found.holdings:
        return Unreadable(link, "no holder of the write end is to be seen, so one is hidden")
    wakers = _threads(holders.world, found)
    if isinstance(wakers, Unreadable):
        return wakers
    keepers = _keepers(holders.world, found.pids, thread.process.pid)
    return Ends(link, wakers - {thread}, found.assumes, keepers)


def write_end(thread: ThreadId, link: str, holders: Holders) -> Ends | Unreadable:
    """Return who could end the wait of a pipe's writer: all holders of either end."""
    if not link.startswith("pipe:["):
        return Unreadable("pipe", f"writes to {link}, which others may open by name")
    found = holders.of(link)
    readers = _with_access(holders, link, is_write=False)
    if isinstance(found, Unreadable) or isinstance(readers, Unreadable):
        return found if isinstance(found, Unreadable) else Unreadable(link, "its holders are not known")
    if not readers.holdings:
        return Unreadable(link, "no holder of the read end is to be seen, so one is hidden")
    wakers = _threads(holders.world, found)
    return wakers if isinstance(wakers, Unreadable) else Ends(link, wakers - {thread}, found.assumes)


def any_end(thread: ThreadId, link: str, descriptor: Descriptor, holders: Holders) -> Ends | Unreadable:
    """Return who could make a descriptor of a poll set ready."""
    if link.startswith("pipe:["):
        is_reader = descriptor.can_read and not descriptor.can_write and descriptor.flags is not None
        return read_end(thread, link, holders) if is_reader else write_end(thread, link, holders)
    if link.startswith("socket:["):
        return _socket(thread, link, holders)
    if link.startswith(PIDFD_LINKS):
        if descriptor.process is None or descriptor.process <= 0:
            return Unreadable("pidfd", "names no process that is to be seen")
        threads = living_threads(descriptor.process, holders.world)
        if isinstance(threads, Unreadable):
            return threads
        return Ends(f"pid {descriptor.process}", threads)
    return Unreadable("poll", f"waits for {link}, which may become ready by itself")


def _socket(thread: ThreadId, link: str, holders: Holders) -> Ends | Unreadable:
    """Return the holders of both ends of a connected unix socket."""
    peer = peer_of(link, holders)
    if isinstance(peer, Unreadable):
        return peer
    near, far = holders.of(link), holders.of(peer)
    if isinstance(near, Unreadable) or isinstance(far, Unreadable):
        return near if isinstance(near, Unreadable) else Unreadable(link, "its peer's holders are not known")
    if not near.holdings or not far.holdings:
        return Unreadable(link, "one end of it has no holder that is to be seen")
    both = Found((*near.holdings, *far.holdings), tuple(dict.fromkeys((*near.assumes, *far.assumes))))
    wakers = _threads(holders.world, both)
    return wakers if isinstance(wakers, Unreadable) else Ends(link, wakers - {thread}, both.assumes)


def peer_of(link: str, holders: Holders) -> str | Unreadable:
    """Return the other end of a connected unix socket, as a link."""
    known = holders.peers()
    if isinstance(known, Unreadable):
        return known
    peer = known.get(int(link.removeprefix("socket:[").removesuffix("]")))
    return f"socket:[{peer}]" if peer else Unreadable(link, "no connected unix socket that is to be seen")


def _with_access(holders: Holders, link: str, is_write: bool) -> Found | Unreadable:
    """Return who has one end of a pipe; asked once a collect."""
    key = (link, is_write)
    if key not in holders.ends:
        holders.ends[key] = _read_access(holders, link, is_write)
    return holders.ends[key]


def _read_access(holders: Holders, link: str, is_write: bool) -> Found | Unreadable:
    found = holders.of(link)
    if isinstance(found, Hidden):
        ends = ((each.pid, holders.describe(each)) for each in holders.links().get(link, []))
        able = {pid for pid, end in ends if isinstance(end, Unreadable) or _has_access(end, is_write)}
        return found.but(known=tuple(pid for pid in found.known if pid in able))
    if isinstance(found, Unreadable):
        return found
    kept: list[Holding] = []
    for holding in found.holdings:
        each = holders.describe(holding)
        if isinstance(each, Unreadable):
            return each  # one that has gone may have handed it on to somebody who was looked at before
        if _has_access(each, is_write):
            kept.append(holding)
    return Found(tuple(kept), found.assumes)


def _has_access(descriptor: Descriptor, is_write: bool) -> bool:
    return descriptor.can_write if is_write else descriptor.can_read


def _threads(world: World, found: Found) -> frozenset[ThreadId] | Unreadable:
    every: frozenset[ThreadId] = frozenset()
    for pid in found.pids:
        threads = world.threads(pid)
        if isinstance(threads, Unreadable):
            return threads
        every |= threads
    return every


def _keepers(world: World, pids: tuple[int, ...], reader: int) -> tuple[Keeper, ...]:
    """Return the other processes that have the write end, with whom they have it from."""
    return tuple(keeper(world, pid, pids) for pid in pids if pid != reader)


def keeper(world: World, pid: int, having: tuple[int, ...], is_certain: bool = True) -> Keeper:
    """Return a process that has an object; with its parent, if that forked it and has the object no more."""
    process, parent = world.process(pid), world.fork_parent(pid)
    first = world.process(parent) if parent is not None and parent not in having else None
    assert process is not None  # it was found in this very collect
    return Keeper(process, first, is_certain)
