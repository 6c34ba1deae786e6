"""Who can end a wait on a futex in shared memory: the threads of every process that has that memory, or could map it.

multiprocessing's locks and semaphores are POSIX semaphores in `/dev/shm` whose name is gone. glibc makes a semaphore
under a temporary name, gives it its own by link(2) and removes the first: `maps` says "(deleted)" although the name
exists. So the folder is looked at. Memory that can be opened by name, or is a System V segment, is everybody's.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from hangprobe.model import ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.holders import Holders
from hangprobe.observe.procfs import Mapping
from hangprobe.observe.reader import why
from hangprobe.observe.tables import Holding
from hangprobe.observe.world import World

DELETED = " (deleted)"
SHM = "/dev/shm/"
FOLDER_MAX = 10_000
"""Names in `/dev/shm` that are looked at."""


@dataclass(frozen=True, slots=True)
class _Memory:
    """A shared mapping's file."""

    device: str
    inode: int
    path: str


def resolve(thread: ThreadId, address: int, mapping: Mapping, holders: Holders) -> Wait | Unreadable:
    """Return the wait with its wakers, or why it must be taken for one that can end by itself."""
    memory = _Memory(mapping.device, mapping.inode, mapping.path)
    if (open_to := _who_can_open(memory, thread.process.pid, holders.world)) is not None:
        return Unreadable("futex", open_to)
    mappers = holders.mappers(lambda pid: _maps(pid, memory, holders.world))
    descriptors = _descriptors(memory, mapping, holders)
    if isinstance(descriptors, Unreadable):
        return descriptors
    mapped = [Holding(pid, f"{pid}", -1) for pid in mappers]
    found = holders.judge(memory.path.removesuffix(DELETED), [*mapped, *descriptors])
    if isinstance(found, Unreadable):
        return found
    wakers: frozenset[ThreadId] = frozenset()
    for pid in found.pids:
        threads = holders.world.threads(pid)
        if isinstance(threads, Unreadable):
            return threads
        wakers |= threads
    name = f"{address - mapping.start:#x} in {mapping.path} (inode {mapping.inode})"
    return Wait(WaitKind.FUTEX_SHARED, name, wakers - {thread}, assumes=found.assumes)


def _who_can_open(memory: _Memory, pid: int, world: World) -> str | None:
    """Say why others could map this memory later; None if only those can who have it now."""
    if not memory.path.endswith(DELETED):
        return f"it lies in {memory.path}, which others may open by name"
    if memory.path.startswith("/SYSV"):
        return "it lies in a System V segment, which others may attach by its number"
    if memory.path.startswith(("/memfd:", "/dev/zero")):
        return None
    if not memory.path.startswith(SHM) or memory.path.count("/") != SHM.count("/"):
        return f"it lies in {memory.path}, and whether that has another name is not looked for"
    names = world.reader.abandonable(pid, f"{pid}/root{SHM}", lambda: _inodes(world, pid))
    if isinstance(names, Unreadable):
        return f"{names.what}: {names.why}"
    return f"it still has a name in {SHM}, by which others may open it" if memory.inode in names else None


def _inodes(world: World, pid: int) -> frozenset[int] | Unreadable:
    """Return the inodes that have a name in a process's `/dev/shm`."""
    folder = f"{world.reader.root}/{pid}/root{SHM}"
    found: set[int] = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False) or len(found) > FOLDER_MAX:
                    return Unreadable(f"{pid}/root{SHM}", "has folders or very many names: not looked through")
                found.add(entry.inode())
    except OSError as error:
        return Unreadable(f"{pid}/root{SHM}", why(error))
    return frozenset(found)


def _maps(pid: int, memory: _Memory, world: World) -> bool | Unreadable:
    maps = world.maps_text(pid)
    if isinstance(maps, Unreadable):
        return False if world.stats[pid].has_ended else maps
    return f" {memory.device} {memory.inode} " in maps


def _is_memory(link: str) -> bool:
    """Tell whether a descriptor may be one of shared memory; glibc's semaphores have had two names."""
    return link.startswith((SHM, "/memfd:"))


def _descriptors(memory: _Memory, mapping: Mapping, holders: Holders) -> list[Holding] | Unreadable:
    """Return the descriptors by which this memory could be mapped anew; anonymous shared memory has none."""
    if memory.path.startswith("/dev/zero"):
        return []
    found: list[Holding] = []
    alike = [each for link, some in holders.links().items() if _is_memory(link) for each in some]
    for holding in alike:
        # Only descriptors of shared memory are asked, so no other file system is touched.
        try:
            file = os.stat(f"{holders.world.reader.root}/{holding.path}/fd/{holding.number}")
        except OSError as error:
            if why(error) == "gone":
                continue
            return Unreadable(mapping.path, why(error))
        if stat.S_ISREG(file.st_mode) and file.st_ino == memory.inode:
            found.append(holding)
    return found
