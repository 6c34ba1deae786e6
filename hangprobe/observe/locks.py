"""What memory says of the lock that a thread waits for: whose it is, whether it is older than the fork, who holds it.

CPython's locks are POSIX semaphores (Python/thread_pthread.h) that record no owner. But the object that points to the
semaphore can be found in the process's memory, and its type has a name; the same object at the same address in the
parent is older than the fork. RLock and the buffered streams record their owner (Modules/_threadmodule.c,
Modules/_io/bufferedio.c), as a pthread_t, in which glibc keeps the TID. All of it depends on versions of CPython and
glibc and is treated as a bonus: what does not fit is unknown.
"""

from __future__ import annotations

import errno
import os
import platform
import struct
from collections.abc import Iterator, Sequence

from hangprobe.evidence import Lineage, LockFacts, MemoryOwner
from hangprobe.model import StartMethod, ThreadView, Unreadable, WaitKind
from hangprobe.observe.procfs import Mapping
from hangprobe.observe.reader import Reader
from hangprobe.observe.world import World

SCAN_MAX = 256 * 1024 * 1024
"""Bytes of writable memory that are searched for the lock object; a Python rank under MPICH has 14 to 60 MB."""
CHUNK = 8 * 1024 * 1024
TID_IN_PTHREAD = {"x86_64": 0x2D0, "aarch64": 0xD0}
"""offsetof(struct pthread, tid) in glibc 2.3x; checked by comparing with the parent's threads."""
UNMAPPED = os.strerror(errno.EIO)
"""What reading `/proc/PID/mem` gives where nothing is mapped (fs/proc/base.c, mem_rw)."""
BUFFERED_BACK = 256
"""How far before its lock a buffered stream object may begin (its size is 200 bytes in CPython 3.11)."""


def facts(world: World, view: ThreadView, lineage: Lineage | None) -> LockFacts | None:
    """Return what can be said of the lock of a thread on a private futex; None if it waits for something else.

    Reads memory without a deadline: call it inside `Reader.abandonable`.
    """
    if view.wait is None or view.wait.kind is not WaitKind.FUTEX_PRIVATE:
        return None
    pid, address = view.id.process.pid, int(view.wait.object, 16)
    reader = world.reader
    is_semaphore = _is_empty_semaphore(reader, pid, address)
    forked_by = lineage.parent if lineage is not None and lineage.start_method is not StartMethod.EXEC else None
    parent = forked_by.pid if forked_by is not None else None
    parent_value = _word(reader, parent, address, 4) if parent is not None else None
    owner, place = _owner(world, pid, address) if is_semaphore else (MemoryOwner.UNKNOWN, None)
    is_older = None
    if parent is not None and place is not None:
        is_older = _is_same(reader, parent, pid, place - 8)
    holder = None
    if parent is not None and place is not None and owner in {MemoryOwner.RLOCK, MemoryOwner.BUFFERED_IO}:
        holder = _holder(reader, pid, parent, place + 8, lineage.parent_threads if lineage else ())
    return LockFacts(view.id, view.wait.object, owner, is_semaphore, is_older, parent_value, holder)


def _is_empty_semaphore(reader: Reader, pid: int, address: int) -> bool:
    """Tell whether the word is a private `sem_t` that somebody waits for (glibc sysdeps/nptl/internaltypes.h)."""
    data = _read(reader, pid, address, 16)
    if data is None:
        return False
    value, waiters, private, _ = struct.unpack("<IIII", data)
    return bool(value == 0 and 0 < waiters < 1 << 16 and private == 0)


def _owner(world: World, pid: int, address: int) -> tuple[MemoryOwner, int | None]:
    """Return which kind of object points to the semaphore, and where its pointer is."""
    for place in _pointers(world, pid, address):
        name = _type_name(world.reader, pid, _word(world.reader, pid, place - 8, 8))
        if name == "_thread.lock":
            return MemoryOwner.PYTHON_LOCK, place
        if name == "_thread.RLock":
            return MemoryOwner.RLOCK, place
        if _is_buffered(world.reader, pid, place):
            return MemoryOwner.BUFFERED_IO, place
    return MemoryOwner.UNKNOWN, None


def _pointers(world: World, pid: int, address: int) -> Iterator[int]:
    """Yield the aligned places in a process's private writable memory that hold `address`."""
    maps = world.maps(pid)
    needle = struct.pack("<Q", address)
    budget = SCAN_MAX
    for mapping in _likely_first(() if isinstance(maps, Unreadable) else maps):
        for start in range(mapping.start, mapping.end, CHUNK):
            size = min(CHUNK, mapping.end - start, budget)
            data = _read_some(world.reader, pid, start, size)
            budget -= size
            if data is None or budget <= 0:
                break
            at = data.find(needle)
            while at >= 0:
                if at % 8 == 0:
                    yield start + at
                at = data.find(needle, at + 1)


def _likely_first(maps: Sequence[Mapping]) -> list[Mapping]:
    """Return the private writable mappings: anonymous ones (CPython's arenas), the heap, libraries, thread stacks.

    Small ones first: Intel MPI maps 190 MB that nobody has touched, which takes longer to read than there is time.

    A thread's stack lies behind a guard page without any permission (pthread_attr_setguardsize(3)).
    """
    guarded = {mapping.end for mapping in maps if mapping.permissions.startswith("---")}

    def rank(mapping: Mapping) -> int:
        if mapping.start in guarded:
            return 3
        return {"": 0, "[heap]": 1}.get(mapping.path, 2)

    writable = [mapping for mapping in maps if mapping.permissions.startswith("rw") and not mapping.is_shared]
    kept = [mapping for mapping in writable if not mapping.path.startswith("[stack")]
    return sorted(kept, key=lambda mapping: (rank(mapping), mapping.end - mapping.start))


def _type_name(reader: Reader, pid: int, kind: int | None) -> str:
    """Return the name of a type object: `tp_name` follows the three words of a PyVarObject."""
    if kind is None or not 0x1000 < kind < 1 << 47 or kind % 8:
        return ""
    name = _word(reader, pid, kind + 24, 8)
    text = _read_some(reader, pid, name, 24) if name else None
    return "" if not text else text.split(b"\0", 1)[0].decode(errors="replace")


def _is_buffered(reader: Reader, pid: int, place: int) -> bool:
    before = _read(reader, pid, place - BUFFERED_BACK, BUFFERED_BACK)
    kinds = struct.unpack(f"<{BUFFERED_BACK // 8}Q", before) if before is not None else ()
    return any(_type_name(reader, pid, kind).startswith("_io.Buffered") for kind in dict.fromkeys(kinds))


def _holder(reader: Reader, pid: int, parent: int, place: int, threads: tuple[int, ...]) -> int | None:
    """Return the TID of the parent's thread that owned the lock at the fork; None if it has gone since."""
    offset = TID_IN_PTHREAD.get(platform.machine())
    handle = _word(reader, pid, place, 8)
    if offset is None or not handle or handle < 0x1000:
        return None
    tid = _word(reader, parent, handle + offset, 4)
    return tid if tid in threads else None


def _is_same(reader: Reader, parent: int, pid: int, address: int) -> bool | None:
    """Tell whether type and pointer of a lock object are the same in both; None if the parent cannot be read."""
    theirs, own = reader.memory_now(parent, address, 16), reader.memory_now(pid, address, 16)
    if isinstance(own, Unreadable) or (isinstance(theirs, Unreadable) and theirs.why != UNMAPPED):
        return None
    return theirs == own


def _word(reader: Reader, pid: int, address: int, size: int) -> int | None:
    data = _read(reader, pid, address, size)
    return None if data is None else int.from_bytes(data, "little")


def _read(reader: Reader, pid: int, address: int, size: int) -> bytes | None:
    data = _read_some(reader, pid, address, size)
    return data if data is not None and len(data) == size else None


def _read_some(reader: Reader, pid: int, address: int, size: int) -> bytes | None:
    if not 0 < address < 1 << 63:
        return None
    data = reader.memory_now(pid, address, size)
    return None if isinstance(data, Unreadable) else data
