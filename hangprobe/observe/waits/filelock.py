"""Who can end a wait for a lock on a file: the processes that have the lock (flock(2), fcntl(2), fcntl_locking(2)).

`/proc/locks` names who took a lock, even after that process closed the file and a child by fork still has it; who has
it now is who shows it as a `lock:` line in `fdinfo`. Only file systems of this machine are looked at: elsewhere the
holder may be on another node. Every entry in `/proc/locks` must be found with a process, else a holder is hidden.
"""

from __future__ import annotations

from hangprobe.model import Keeper, ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.fdinfo import Descriptor, FileLock, Mount, parse_descriptor, parse_locks, parse_mounts
from hangprobe.observe.holders import Found, Holders
from hangprobe.observe.tables import Holding
from hangprobe.observe.waits.descriptors import keeper
from hangprobe.observe.waits.shapes import FileLockKind, Shape
from hangprobe.observe.world import World

LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "f2fs", "tmpfs", "ramfs", "overlay", "zfs", "bcachefs", "reiserfs"})
"""Types of file systems on which locks are this kernel's own (btrfs shows other device numbers in `/proc/locks`)."""
CONFLICTS = {
    FileLockKind.FLOCK: {"FLOCK"},
    FileLockKind.POSIX: {"POSIX", "OFDLCK"},
    FileLockKind.OFD: {"POSIX", "OFDLCK"},
}
_Inode = tuple[int, int, int]


def resolve(thread: ThreadId, shape: Shape, holders: Holders) -> Wait | Unreadable:
    """Return the wait with its wakers, or why it must be taken for one that can end by itself."""
    assert shape.lock is not None
    world, base = holders.world, f"{thread.process.pid}/task/{thread.tid}"
    text, mounts = world.reader.text(f"{base}/fdinfo/{shape.descriptor}"), world.reader.text(f"{base}/mountinfo")
    table = world.reader.text("locks")
    if isinstance(text, Unreadable) or isinstance(mounts, Unreadable) or isinstance(table, Unreadable):
        return Unreadable("file lock", f"descriptor {shape.descriptor} of pid {thread.process.pid} cannot be read")
    locks = parse_locks(table)
    inode = _local_inode(parse_descriptor(text), parse_mounts(mounts))
    if isinstance(inode, Unreadable):
        return inode
    if locks is None:
        return Unreadable("file lock", "/proc/locks is not understood")
    held = [
        lock for lock in locks if lock.inode == inode and lock.kind in CONFLICTS[shape.lock] and not lock.is_waiting
    ]
    found = _who_has(held, inode, holders)
    if isinstance(found, Unreadable):
        return found
    wakers: frozenset[ThreadId] = frozenset()
    for pid in found.pids:
        threads = world.threads(pid)
        if isinstance(threads, Unreadable):
            return threads
        wakers |= threads
    keepers = tuple(_keeper(world, pid, found.pids, held) for pid in found.pids)
    name = f"{shape.lock.value} on {_path(world, base, shape.descriptor)} (inode {inode[2]})"
    return Wait(WaitKind.FILE_LOCK, name, wakers - {thread}, keepers=keepers, assumes=found.assumes)


def _local_inode(descriptor: Descriptor, mounts: dict[int, Mount]) -> _Inode | Unreadable:
    """Return the device and inode of an open file, without touching its file system."""
    mount = mounts.get(descriptor.mount) if descriptor.mount is not None else None
    if mount is None or descriptor.inode is None:
        return Unreadable("file lock", "on which file system the file is cannot be read")
    if mount.kind not in LOCAL:
        return Unreadable("file lock", f"the file is on {mount.kind}: its holder may be on another node")
    return (*mount.device, descriptor.inode)


def _who_has(held: list[FileLock], inode: _Inode, holders: Holders) -> Found | Unreadable:
    """Return the descriptors that show these locks; unreadable unless every one of them is found."""
    if not held:
        return Unreadable("file lock", "nobody has it: the wait is about to end")
    wanted = {lock.identity for lock in held}
    if len(wanted) < len(held):
        return Unreadable("file lock", f"two locks on inode {inode[2]} look the same: whose they are cannot be told")
    seen: set[tuple[object, ...]] = set()
    holdings: list[Holding] = []
    for link, candidates in holders.links().items():
        if not link.startswith("/") or link.startswith("/dev/"):
            continue
        for holding in candidates:
            shown = holders.describe(holding)
            if isinstance(shown, Unreadable):
                if shown.why != "gone":
                    return shown
                continue
            mine = {lock.identity for lock in shown.locks} & wanted
            if mine:
                seen |= mine
                holdings.append(holding)
    if seen != wanted:
        return Unreadable("file lock", f"not every holder of inode {inode[2]} is to be seen")
    return holders.judge(holdings_name(inode), holdings)


def holdings_name(inode: _Inode) -> str:
    """Return a name for a locked file that no descriptor link has."""
    return f"lock:{inode[0]}:{inode[1]}:{inode[2]}"


def _keeper(world: World, pid: int, having: tuple[int, ...], held: list[FileLock]) -> Keeper:
    """Return a holder, with the process that took the lock and has it no more."""
    takers = {lock.pid for lock in held}
    if takers == {-1}:
        return keeper(world, pid, having, is_certain=False)
    inherited = keeper(world, pid, having)
    took = inherited.first is not None and inherited.first.pid in takers and pid not in takers
    return inherited if took else Keeper(inherited.process)


def _path(world: World, base: str, number: int) -> str:
    link = world.reader.link(f"{base}/fd/{number}")
    return "a file" if isinstance(link, Unreadable) else link
