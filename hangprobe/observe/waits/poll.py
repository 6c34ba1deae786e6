"""Who can end a poll, select or epoll without time-out: all that could make any descriptor of its set ready.

An epoll set names what it watches by inode and device, never by the number in `tfd:`: the number may have been closed
and used again while a copy keeps the file in the set (epoll(7), Q6). Whoever holds the epoll descriptor may change the
set. An empty set never becomes ready by itself, but is taken for one that was not understood.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from functools import cache

from hangprobe.model import ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.fdinfo import EpollTarget, parse_descriptor
from hangprobe.observe.holders import Holders
from hangprobe.observe.waits.descriptors import Ends, any_end
from hangprobe.observe.waits.shapes import Family, Shape

SET_MAX = 256
"""Descriptors of a set that are looked at."""


def resolve(thread: ThreadId, shape: Shape, holders: Holders) -> Wait | Unreadable:
    """Return the wait with its wakers, or why it must be taken for one that can end by itself."""
    if shape.is_timed:
        return Unreadable("poll", "waits with a time-out")
    if shape.family is Family.EPOLL:
        ends = _epoll(thread, shape.descriptor, holders)
    else:
        numbers = _selected(thread, shape, holders) if shape.sets else _polled(thread, shape, holders)
        ends = numbers if isinstance(numbers, Unreadable) else _numbers(thread, numbers, holders)
    if isinstance(ends, Unreadable):
        return ends
    if not ends:
        return Unreadable("poll", "waits for no descriptor")
    wakers: frozenset[ThreadId] = frozenset().union(*(each.wakers for each in ends))
    assumes = tuple(dict.fromkeys(assumption for each in ends for assumption in each.assumes))
    objects = ", ".join(dict.fromkeys(each.object for each in ends))
    is_children = all(each.object.startswith("pid ") for each in ends)
    kind = WaitKind.CHILD if is_children else WaitKind.POLL
    return Wait(kind, objects, wakers, assumes=assumes)


def _polled(thread: ThreadId, shape: Shape, holders: Holders) -> list[int] | Unreadable:
    """Return the descriptors of a poll set (`struct pollfd`: int fd, short events, short revents)."""
    if not 0 < shape.expected <= SET_MAX:
        return Unreadable("poll", "waits for no descriptor, or for very many")
    size = 8 * shape.expected
    data = holders.world.reader.memory(thread.process.pid, shape.address, size)
    if isinstance(data, Unreadable) or len(data) < size:
        return data if isinstance(data, Unreadable) else Unreadable("poll", "its set cannot be read whole")
    return [number for number, _, _ in struct.iter_unpack("<ihh", data) if number >= 0]  # poll(2): others are ignored


def _selected(thread: ThreadId, shape: Shape, holders: Holders) -> list[int] | Unreadable:
    """Return the descriptors of a select's three bit sets."""
    if not 0 < shape.expected <= SET_MAX * 4:
        return Unreadable("select", "waits for no descriptor, or for very many")
    size = (shape.expected + 63) // 64 * 8
    numbers: set[int] = set()
    for address in shape.sets:
        if address == 0:
            continue
        data = holders.world.reader.memory(thread.process.pid, address, size)
        if isinstance(data, Unreadable) or len(data) < size:
            return data if isinstance(data, Unreadable) else Unreadable("select", "its sets cannot be read whole")
        bits = int.from_bytes(data, "little")
        numbers.update(number for number in range(shape.expected) if bits >> number & 1)
    return sorted(numbers) if len(numbers) <= SET_MAX else Unreadable("select", "waits for very many descriptors")


def _numbers(thread: ThreadId, numbers: Iterable[int], holders: Holders) -> list[Ends] | Unreadable:
    base = f"{thread.process.pid}/task/{thread.tid}"
    found: list[Ends] = []
    for number in dict.fromkeys(numbers):
        link = holders.world.reader.link(f"{base}/fd/{number}")
        text = holders.world.reader.text(f"{base}/fdinfo/{number}")
        if isinstance(link, Unreadable) or isinstance(text, Unreadable):
            return Unreadable("poll", f"descriptor {number} cannot be read")
        ends = any_end(thread, link, parse_descriptor(text), holders)
        if isinstance(ends, Unreadable):
            return ends
        found.append(ends)
    return found


def _epoll(thread: ThreadId, number: int, holders: Holders) -> list[Ends] | Unreadable:
    base = f"{thread.process.pid}/task/{thread.tid}"
    text, link = holders.world.reader.text(f"{base}/fdinfo/{number}"), holders.world.reader.link(f"{base}/fd/{number}")
    if isinstance(text, Unreadable) or isinstance(link, Unreadable) or link != "anon_inode:[eventpoll]":
        return Unreadable("epoll", f"descriptor {number} cannot be read, or is no epoll's")
    targets = parse_descriptor(text).targets
    if len(targets) > SET_MAX:
        return Unreadable("epoll", "waits for very many descriptors")
    found: list[Ends] = []
    for target in targets:
        ends = _target(thread, target, holders)
        if isinstance(ends, Unreadable):
            return ends
        found.append(ends)
    changers = _who_may_change(thread, number, holders)
    if isinstance(changers, Unreadable):
        return changers
    return [*found, changers] if found else []


def _target(thread: ThreadId, target: EpollTarget, holders: Holders) -> Ends | Unreadable:
    """Return who could make one file of an epoll set ready; found by its inode among all descriptors of the node."""
    pipes, sockets = _devices()
    if target.device not in {pipes, sockets}:
        return Unreadable("epoll", "watches something else than pipes and sockets")
    link = f"{'pipe' if target.device == pipes else 'socket'}:[{target.inode}]"
    if link.startswith("socket:"):
        return any_end(thread, link, parse_descriptor(""), holders)
    # Which end is watched is not told: both are taken.
    return any_end(thread, link, parse_descriptor("flags: 02"), holders)


def _who_may_change(thread: ThreadId, number: int, holders: Holders) -> Ends | Unreadable:
    """Return the threads that may change the set: of every process that has this very epoll (kcmp(2), KCMP_FILE)."""
    link = "anon_inode:[eventpoll]"
    found = holders.of(link)
    if isinstance(found, Unreadable):
        return found
    wakers: frozenset[ThreadId] = frozenset()
    for holding in found.holdings:
        tid = int(holding.path.rpartition("/")[2])
        if holders.world.same_file(thread.tid, tid, number, holding.number) is False:
            continue
        threads = holders.world.threads(holding.pid)
        if isinstance(threads, Unreadable):
            return threads
        wakers |= threads
    return Ends("epoll", wakers - {thread}, found.assumes)


@cache
def _devices() -> tuple[int, int]:
    """Return the kernel's device numbers of pipes and sockets, as this process sees them: both have no major number."""
    read, write = os.pipe()
    try:
        with socket.socket(socket.AF_UNIX) as one:
            return os.minor(os.fstat(read).st_dev), os.minor(os.fstat(one.fileno()).st_dev)
    finally:
        os.close(read)
        os.close(write)
