"""Which locks on files the ranks of this node wait for, and which of some locks they have, in words for other nodes.

Nothing here is a proof: who else has a lock is not asked, and the file system is never touched (no stat(2): it may be
dead). A file is known by the link and the `fdinfo` of its descriptor; kernels before 5.14 show no inode there, and then
nothing is said.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from hangprobe.filewaits import END, Extent, FileHeld, FileWait, SharedFile
from hangprobe.model import RankView, ThreadId, ThreadView, Unreadable
from hangprobe.observe.fdinfo import Descriptor, FileLock, parse_descriptor, parse_mounts
from hangprobe.observe.procfs import parse_call
from hangprobe.observe.reader import Reader
from hangprobe.observe.waits.shapes import SLEEPS_IN, Family, FileLockKind, Shape, machine, shape

NFS, SMB = frozenset({"nfs", "nfs4"}), frozenset({"cifs", "smb3"})
"""There flock(2) is a lock on all bytes, in the way of those by fcntl(2): flock(2), NFS details and CIFS details."""
SHARED = NFS | SMB | {"lustre", "gpfs", "ceph", "fuse.ceph", "beegfs", "beegfs_nodev", "pvfs2", "orangefs", "panfs"}
SHARED |= {"wekafs", "afs", "gfs2", "ocfs2", "glusterfs", "fuse.glusterfs", "fuse.dfuse"}
"""Types of file systems that nodes share, with inode numbers that are the same on all of them."""
OWN_LOCKS = ("local_lock=flock", "local_lock=posix", "local_lock=all", "nolock", "localflock", "nobrl", "flock=local")
"""Options of such a mount by which locks are each node's own: nfs(5), mount.lustre(8), mount.cifs(8), afs.rst."""
LOCK_SH, LOCK_NB, F_RDLCK, SEEK_SET = 1, 4, 0, 0
"""include/uapi/asm-generic/fcntl.h, include/uapi/linux/fs.h."""
FLOCK_BYTES = 24
"""Of `struct flock` as far as it is needed: type and whence (16 bits each), 32 bits of nothing, start, length."""
NOT_IN_CALL = ("get_signal", "do_signal_stop", "do_freezer_trap", "ptrace_stop", "do_jobctl_trap", "0")
"""Where a thread sleeps that shows a call and is not at work in it: stopped, frozen, traced; or nobody may know."""
_Lock = tuple[SharedFile, Extent]


def waits_of(
    reader: Reader, rank: RankView, views: Mapping[ThreadId, ThreadView], arch: str | None = None
) -> tuple[FileWait, ...]:
    """Return the locks on which a rank's main thread depends; none unless everything that it depends on is one."""
    main = ThreadId(rank.main, rank.main.pid)
    seen, ahead, found = {main}, [main], set[FileWait]()
    while ahead:
        view = views.get(thread := ahead.pop())
        if view is None:
            return ()
        if view.is_runtime_helper and thread != main:
            continue
        if (lock := _awaited(reader, view, arch or machine())) is not None:
            found.add(FileWait(rank.rank, *lock))
            continue
        if view.live is not None or view.wait is None or not view.wait.wakers:
            return ()
        ahead += view.wait.wakers - seen
        seen |= view.wait.wakers
    return tuple(sorted(found))


def _awaited(reader: Reader, view: ThreadView, arch: str) -> _Lock | None:
    """Return the lock for which a thread still waits as it did when it was seen; None if it does not, or if unread."""
    base = f"{view.id.process.pid}/task/{view.id.tid}"
    text, wchan = reader.text(f"{base}/syscall"), reader.text(f"{base}/wchan")
    words = text if isinstance(text, Unreadable) or text.strip() != view.call else parse_call(text)
    if isinstance(words, (Unreadable, str)) or isinstance(wchan, Unreadable):
        return None
    found = shape(words, SLEEPS_IN[Family.FILE_LOCK][0], arch)
    if isinstance(found, Unreadable) or found.lock is None:
        return None
    file = _file(reader, base, found.descriptor, found.lock)
    extent = _extent(reader, view.id.process.pid, found.lock, words)
    is_in_call = isinstance(shape(words, wchan.strip(), arch), Shape) or (
        file is not None and not file.is_of_one_machine and wchan.strip() not in NOT_IN_CALL
    )
    return (file, extent) if file is not None and extent is not None and is_in_call else None


def _extent(reader: Reader, pid: int, kind: FileLockKind, words: Sequence[int]) -> Extent | None:
    """Return what is to be locked: flock(2) has it in its second argument, the third of fcntl(2) says where it is."""
    if kind is FileLockKind.FLOCK:
        return None if words[2] & LOCK_NB else Extent(not words[2] & LOCK_SH)
    data = reader.memory(pid, words[3], FLOCK_BYTES)
    if isinstance(data, Unreadable) or len(data) < FLOCK_BYTES:
        return None
    access, whence, start, length = struct.unpack("=hh4xqq", data)
    if whence != SEEK_SET or start < 0 or start + length < 0 or (length and start + length <= 0):
        return None
    first, last = (start, start + length - 1) if length >= 0 else (start + length, start - 1)
    return Extent(access != F_RDLCK, first, last if length else END)


def holders_of(reader: Reader, host: str, ranks: Iterable[RankView], files: Set[SharedFile]) -> Iterator[FileHeld]:
    """Yield which of some files the processes of ranks have locked."""
    paths = {file.path for file in files}
    for rank in ranks:
        for pid in (member.pid for member in rank.members):
            numbers = reader.numbers(f"{pid}/fd")
            for number in () if isinstance(numbers, Unreadable) else numbers:
                if reader.link(f"{pid}/fd/{number}") in paths:
                    for file, extent in _locked(reader, f"{pid}/task/{pid}", number):
                        if file in files:
                            yield FileHeld(host, rank.rank, pid, file, extent)


def is_asleep(reader: Reader, pid: int, arch: str | None = None) -> bool:
    """Tell whether all threads of a process sleep, and none of them for a set time."""
    tids = reader.numbers(f"{pid}/task")
    if isinstance(tids, Unreadable) or not tids:
        return False
    for tid in tids:
        text, wchan = reader.text(f"{pid}/task/{tid}/syscall"), reader.text(f"{pid}/task/{tid}/wchan")
        words = text if isinstance(text, Unreadable) else parse_call(text)
        if isinstance(words, Unreadable) or isinstance(wchan, Unreadable):
            return False
        found = shape(words, wchan.strip(), arch or machine())
        if isinstance(found, Shape) and found.is_timed:
            return False
    return True


def _locked(reader: Reader, base: str, number: int) -> Iterator[_Lock]:
    """Yield the locks that a descriptor shows."""
    text = reader.text(f"{base}/fdinfo/{number}")
    for lock in () if isinstance(text, Unreadable) else parse_descriptor(text).locks:
        kinds = {"FLOCK": FileLockKind.FLOCK, "POSIX": FileLockKind.POSIX, "OFDLCK": FileLockKind.OFD}
        if not lock.is_waiting and lock.kind in kinds:
            file, extent = _file(reader, base, number, kinds[lock.kind]), _had(lock)
            if file is not None and extent is not None:
                yield file, extent


def _had(lock: FileLock) -> Extent | None:
    first, _, last = lock.extent.partition(" ")
    return Extent(lock.access != "READ", int(first), END if last == "EOF" else int(last))


def _file(reader: Reader, base: str, number: int, kind: FileLockKind) -> SharedFile | None:
    """Return the file behind a descriptor; None if not all that makes it known can be read."""
    link, text = reader.link(f"{base}/fd/{number}"), reader.text(f"{base}/fdinfo/{number}")
    mounts = reader.text(f"{base}/mountinfo")
    if isinstance(link, Unreadable) or isinstance(text, Unreadable) or isinstance(mounts, Unreadable):
        return None
    shown: Descriptor = parse_descriptor(text)
    mount = parse_mounts(mounts).get(shown.mount) if shown.mount is not None else None
    if mount is None or shown.inode is None or not link.startswith("/"):
        return None
    if mount.kind in SHARED and not set(mount.options.split(",")).intersection(OWN_LOCKS):
        way = "any" if mount.kind in NFS | SMB else _way(kind)
        # the two versions of NFS are two ways to one server
        return SharedFile(link, shown.inode, "nfs" if mount.kind in NFS else mount.kind, way)
    kernel = reader.text("sys/kernel/random/boot_id")
    if isinstance(kernel, Unreadable):
        return None
    system = f"{kernel.strip()} {mount.device[0]}:{mount.device[1]}"
    return SharedFile(link, shown.inode, system, _way(kind))


def _way(kind: FileLockKind) -> str:
    return "FLOCK" if kind is FileLockKind.FLOCK else "POSIX"
