"""Who can end a wait for a child: the threads of the children waited for (wait(2), pidfd_open(2)).

A wait for any child also ends with the child of a descendant that died (subreapers), with a tracee, and with a child
that another thread of the same process starts.
"""

from __future__ import annotations

import re
import struct

from hangprobe.model import ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.waits.shapes import Children, Family, Shape
from hangprobe.observe.world import World

POLL_SET_MAX = 64
"""Descriptors of a poll set that are looked at; a longer one is no wait for a few children."""


def resolve(thread: ThreadId, shape: Shape, world: World) -> Wait | Unreadable:
    """Return the wait with its wakers, or why it must be taken for one that can end by itself."""
    pid = thread.process.pid
    status = world.status(pid)
    if isinstance(status, Unreadable):
        return status
    if status.namespace_depth != 1:
        return Unreadable("wait", "in a PID namespace of its own: the child's pid is not translated")
    if shape.family is Family.POLL:
        return _poll(pid, shape, world)
    if shape.children is Children.ONE:
        return _for_one(pid, shape.target, world)
    if shape.children is Children.PIDFD:
        target = _pidfd(pid, shape.target, world)
        return target if isinstance(target, Unreadable) else _for_one(pid, target, world)
    return _for_any(thread, world)


def _for_one(pid: int, child: int, world: World) -> Wait | Unreadable:
    threads = _living_threads(child, world)
    if isinstance(threads, Unreadable):
        return threads
    if child not in world.children(pid):
        return Unreadable("wait", f"pid {child} is not a child of pid {pid}")
    return Wait(WaitKind.CHILD, f"pid {child}", threads)


def _for_any(thread: ThreadId, world: World) -> Wait | Unreadable:
    pid = thread.process.pid
    sharers = world.sharers(pid)
    if isinstance(sharers, Unreadable):
        return sharers
    own = world.threads(pid)
    if isinstance(own, Unreadable):
        return own
    wakers = own - {thread}
    family = [*world.descendants(pid), *world.tracees(pid)]
    if not family:
        return Unreadable("wait", "waits for children, and none is to be seen")
    for process in (*family, *sharers):
        threads = _living_threads(process, world)
        if isinstance(threads, Unreadable):
            return threads
        wakers |= threads
    return Wait(WaitKind.CHILD, f"any of pids {', '.join(map(str, sorted(set(family))))}", wakers)


def _poll(pid: int, shape: Shape, world: World) -> Wait | Unreadable:
    """Resolve a poll without time-out whose set holds nothing but pidfds."""
    if shape.is_timed or not 0 < shape.expected <= POLL_SET_MAX:
        return Unreadable("poll", "waits with a time-out, or on no descriptor, or on very many")
    size = 8 * shape.expected  # struct pollfd: int fd, short events, short revents
    data = world.reader.memory(pid, shape.address, size)
    if isinstance(data, Unreadable) or len(data) < size:
        return data if isinstance(data, Unreadable) else Unreadable("poll", "its set cannot be read whole")
    wakers: frozenset[ThreadId] = frozenset()
    children: list[int] = []
    for number, _, _ in struct.iter_unpack("<ihh", data):
        if number < 0:
            continue  # poll(2): ignored
        child = _pidfd(pid, number, world)
        if isinstance(child, Unreadable):
            return child
        threads = _living_threads(child, world)
        if isinstance(threads, Unreadable):
            return threads
        wakers |= threads
        children.append(child)
    if not children:
        return Unreadable("poll", "waits on no descriptor")
    return Wait(WaitKind.CHILD, f"pidfd of {', '.join(map(str, children))}", wakers)


def _pidfd(pid: int, number: int, world: World) -> int | Unreadable:
    """Return the pid that a pidfd stands for."""
    links = world.links(pid)
    if isinstance(links, Unreadable):
        return links
    # anon_inode until 6.8, a file system of its own since (fs/pidfs.c)
    if not links.get(number, "").startswith(("anon_inode:[pidfd]", "pidfd:")):
        return Unreadable("poll", f"descriptor {number} is {links.get(number, 'closed')}, no pidfd")
    text = world.reader.text(f"{pid}/fdinfo/{number}")
    if isinstance(text, Unreadable):
        return text
    found = re.search(r"^Pid:\s*(\d+)$", text, re.MULTILINE)
    return (
        int(found[1]) if found and int(found[1]) > 0 else Unreadable("pidfd", f"descriptor {number} names no process")
    )


def _living_threads(pid: int, world: World) -> frozenset[ThreadId] | Unreadable:
    stat = world.stats.get(pid)
    if stat is None:
        return Unreadable("wait", f"pid {pid} is not to be seen")
    if stat.state is None or stat.state in {"Z", "X"}:
        return Unreadable("wait", f"pid {pid} has ended: the wait will too")
    threads = world.threads(pid)
    return threads or Unreadable("wait", f"no thread of pid {pid} is to be seen")
