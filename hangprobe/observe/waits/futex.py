"""Who can end a futex wait: the threads that share the memory in which the futex lies (futex(2), kernel/futex).

A private futex is known to one address space only, so its wakers are the other threads of the processes that have it.
A shared operation on a private mapping is the same thing: glibc's pthread_join(3) waits so. An errorcheck or recursive
pthread mutex can be unlocked by its owner alone (pthread_mutex_unlock(3p)), which narrows the wakers to one thread, or
to none where the owner is a thread of a fork ancestor.
"""

from __future__ import annotations

import struct

from hangprobe.model import Mutex, ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.holders import Holders
from hangprobe.observe.procfs import Mapping
from hangprobe.observe.waits import sharedfutex
from hangprobe.observe.waits.shapes import Shape
from hangprobe.observe.world import World

MUTEX_CONTENDED = 2
"""The lock word of a pthread mutex that somebody waits for (glibc nptl/lowlevellock.h)."""
_KINDS = {0: "normal", 1: "recursive", 2: "errorcheck", 3: "adaptive"}
_OWNER_ONLY = {"recursive", "errorcheck"}
_ELISION = 0x300
"""Bits of the kind that only say whether lock elision is used. A robust, shared or priority mutex has other bits."""


def resolve(thread: ThreadId, shape: Shape, holders: Holders) -> Wait | Unreadable:
    """Return the wait with its wakers, or why it must be taken for one that can end by itself."""
    if shape.is_timed:
        return Unreadable("futex", "waits with a time-out")
    world, pid = holders.world, thread.process.pid
    if not shape.is_private:
        mapping = _mapping(pid, shape.address, world)
        if isinstance(mapping, Unreadable):
            return mapping
        if mapping.is_shared:
            return sharedfutex.resolve(thread, shape.address, mapping, holders)
        if mapping.permissions[1] != "w":
            return Unreadable("futex", "it lies in memory that is private and read-only: the file behind it decides")
    threads = _memory_threads(pid, world)
    if isinstance(threads, Unreadable):
        return threads
    mutex = _mutex(pid, shape, world)
    others = threads - {thread}
    owner = _owner(thread, mutex, threads, world) if mutex is not None else None
    if mutex is not None and mutex.kind in _OWNER_ONLY and owner is not None:
        return Wait(WaitKind.MUTEX, f"{shape.address:#x}", owner, mutex)
    return Wait(WaitKind.FUTEX_PRIVATE, f"{shape.address:#x}", others, mutex, owner)


def _owner(thread: ThreadId, mutex: Mutex, threads: frozenset[ThreadId], world: World) -> frozenset[ThreadId] | None:
    """Return the one thread that locked a mutex, nobody if that was left behind by a fork; None if it is not known.

    A mutex keeps the TID by which its owner knew itself, in its own PID namespace. After a fork into another one
    (CLONE_NEWPID) the same number may mean two threads: then nothing is said.
    """
    pid = thread.process.pid
    own = {other for other in threads if _own_tid(other, world) == mutex.owner}
    is_left_behind = any(_has_own_tid(ancestor, mutex.owner, world) for ancestor in world.fork_ancestors(pid))
    if len(own) == 1 and not is_left_behind and thread not in own:
        return frozenset(own)
    return frozenset() if is_left_behind and not own else None


def _own_tid(thread: ThreadId, world: World) -> int | None:
    """Return the TID by which a thread knows itself."""
    pids = world.task_pids(thread.process.pid, thread.tid)
    return None if isinstance(pids, Unreadable) else pids[-1]


def _has_own_tid(pid: int, tid: int, world: World) -> bool:
    threads = world.threads(pid)
    return not isinstance(threads, Unreadable) and any(_own_tid(thread, world) == tid for thread in threads)


def _mapping(pid: int, address: int, world: World) -> Mapping | Unreadable:
    maps = world.maps(pid)
    if isinstance(maps, Unreadable):
        return maps
    found = next((mapping for mapping in maps if mapping.start <= address < mapping.end), None)
    return found or Unreadable("futex", f"{address:#x} is in no mapping of the process")


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
    of glibc look alike in the first word only, so every field has to fit.
    """
    if not shape.is_private or shape.expected != MUTEX_CONTENDED:
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
