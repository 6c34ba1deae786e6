"""Who can end a futex wait: the threads that share the memory in which the futex lies (futex(2), kernel/futex).

A private futex is known to one address space only, so its wakers are the other threads of the processes that have it.
A shared operation on a private mapping is the same thing: glibc's pthread_join(3) waits so. An errorcheck or recursive
pthread mutex can be unlocked by its owner alone (pthread_mutex_unlock(3p)), which narrows the wakers to one thread, or
to none where the owner is a thread of a fork ancestor.
"""

from __future__ import annotations

import struct

from hangprobe.model import Mutex, ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.waits.shapes import Shape
from hangprobe.observe.world import World

MUTEX_CONTENDED = 2
"""The lock word of a pthread mutex that somebody waits for (glibc nptl/lowlevellock.h)."""
_KINDS = {0: "normal", 1: "recursive", 2: "errorcheck", 3: "adaptive"}
_OWNER_ONLY = {"recursive", "errorcheck"}
_ELISION = 0x300
"""Bits of the kind that only say whether lock elision is used. A robust, shared or priority mutex has other bits."""


def resolve(thread: ThreadId, shape: Shape, world: World) -> Wait | Unreadable:
    """Return the wait with its wakers, or why it must be taken for one that can end by itself."""
    if shape.is_timed:
        return Unreadable("futex", "waits with a time-out")
    pid = thread.process.pid
    if not shape.is_private:
        problem = _not_private(pid, shape.address, world)
        if problem is not None:
            return problem
    threads = _memory_threads(pid, world)
    if isinstance(threads, Unreadable):
        return threads
    mutex = _mutex(pid, shape, world)
    others = threads - {thread}
    if mutex is not None and mutex.kind in _OWNER_ONLY:
        owner = next((other for other in threads if other.tid == mutex.owner), None)
        if owner is not None and owner != thread:
            return Wait(WaitKind.MUTEX, f"{shape.address:#x}", frozenset({owner}), mutex)
        if owner is None and _is_ancestor_thread(pid, mutex.owner, world):
            return Wait(WaitKind.MUTEX, f"{shape.address:#x}", frozenset(), mutex)
    return Wait(WaitKind.FUTEX_PRIVATE, f"{shape.address:#x}", others, mutex)


def _not_private(pid: int, address: int, world: World) -> Unreadable | None:
    """Return why a shared futex operation is not on private memory; None if it is."""
    maps = world.maps(pid)
    if isinstance(maps, Unreadable):
        return maps
    mapping = next((mapping for mapping in maps if mapping.start <= address < mapping.end), None)
    if mapping is None:
        return Unreadable("futex", f"{address:#x} is in no mapping of the process")
    if mapping.is_shared or mapping.permissions[1] != "w":
        return Unreadable("futex", "the futex is shared between processes: its wakers are not told here")
    return None


def _memory_threads(pid: int, world: World) -> frozenset[ThreadId] | Unreadable:
    """Return the threads of all processes that have the same memory as `pid`."""
    sharers = world.sharers(pid)
    if isinstance(sharers, Unreadable):
        return sharers
    found: frozenset[ThreadId] = frozenset()
    for process in (pid, *sharers):
        threads = world.threads(process)
        if isinstance(threads, Unreadable):
            return threads
        found |= threads
    return found


def _mutex(pid: int, shape: Shape, world: World) -> Mutex | None:
    """Return the pthread mutex that a private futex is part of; None if it is none, or nothing certain can be said.

    glibc `struct __pthread_mutex_s` on 64-bit machines: lock, count, owner, nusers, kind, 4 bytes each. Internal locks
    of glibc look alike in the first word only, so every field has to fit. TIDs compare within one namespace only.
    """
    status = world.status(pid)
    if not shape.is_private or shape.expected != MUTEX_CONTENDED or isinstance(status, Unreadable):
        return None
    if status.namespace_depth != 1:
        return None
    data = world.reader.memory(pid, shape.address, 20)
    if isinstance(data, Unreadable) or len(data) < 20:
        return None
    lock, count, owner, users, kind = struct.unpack("<IIIIi", data)
    base = kind & ~_ELISION
    if lock != MUTEX_CONTENDED or base not in _KINDS or not 0 < owner < 1 << 22 or users == 0:
        return None
    name = _KINDS[base]
    if (count > 0) != (name == "recursive"):
        return None
    return Mutex(name, owner)


def _is_ancestor_thread(pid: int, tid: int, world: World) -> bool:
    """Tell whether a TID is a thread of a process from which `pid` descends by fork alone."""
    ancestor = world.fork_parent(pid)
    while ancestor is not None:
        tasks = world.tasks(ancestor)
        if not isinstance(tasks, Unreadable) and tid in tasks:
            return True
        ancestor = world.fork_parent(ancestor)
    return False
