"""Remove the files that killed ranks and launchers leave in /dev/shm and /tmp.

A rank that is killed never unlinks its segment: a job of two ranks left 4 MB in `mpich_shm_*` (measured), and a
full /dev/shm stops the next job with a bus error. Nothing is removed on its name alone: it must carry the name of
an MPI runtime and belong to this user; a process of the job must have had that very inode mapped, or it must have
been made while the job ran; and nobody may map it or have it open now.

Standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from hangprobe.launch.proctree import list_processes, read_within

FOLDER = "/dev/shm"
HYDRA_PROXY, HYDRA_FILE = "hydra_pmi_proxy", "hydra_hwloc_xmlfile_"  # pm/hydra: made in /tmp, removed at its end
READ_LIMIT_S = 3.0
PREFIXES = (
    "mpich_shm_",  # MPICH, measured (5.0.2)
    "mpich_vci_",  # MPICH, shm_vci_name in ch4/shm/posix/posix_init.c
    "ucx_shm_posix_",  # UCX, measured; unlinked early, unless killed in between
    "Intel_MPI_",  # Intel MPI, maps of running jobs
    "vader_segment.",  # Open MPI 3 and 4, btl_vader_component.c
    "sm_segment.",  # Open MPI 5, btl_sm_component.c
    "open_mpi.",  # Open MPI with shmem posix, shmem_posix.h
    "psm3_shm.",  # libfabric's psm3 provider, ofiwg/libfabric#7800
)


class Segment(NamedTuple):
    """A file in /dev/shm that a process of the job had mapped."""

    path: str
    device: int
    inode: int


def parse_maps(text: bytes) -> set[Segment]:
    """Return the MPI runtimes' segments in a /proc/PID/maps that still have a name: proc(5)."""
    found = set()
    for line in text.splitlines():
        fields = line.split(None, 5)
        if len(fields) < 6 or not fields[5].startswith(b"/dev/shm/"):
            continue
        path = os.fsdecode(fields[5])
        if os.path.dirname(path) == FOLDER and os.path.basename(path).startswith(PREFIXES):
            major, _, minor = fields[3].partition(b":")
            found.add(Segment(path, os.makedev(int(major, 16), int(minor, 16)), int(fields[4])))
    return found


def mapped_by(pids: Iterable[int]) -> tuple[set[Segment], bool]:
    """Return the segments that these processes map; False: not all could be read in time."""
    texts, in_time = read_within(READ_LIMIT_S, [f"/proc/{pid}/maps" for pid in pids])
    return set().union(*map(parse_maps, texts.values())), in_time


def made_since(began_s: float, folder: str = FOLDER) -> set[Segment]:
    """Return the MPI runtimes' segments of this user that were made since `began_s` (seconds of the epoch).

    For ranks that were killed between making one and being looked at.
    """
    found = set()
    for entry in _scan(folder):
        if entry.name.startswith(PREFIXES):
            status = entry.stat(follow_symlinks=False)
            if status.st_uid == os.geteuid() and status.st_ctime >= began_s:
                found.add(Segment(entry.path, status.st_dev, status.st_ino))
    return found


def opened_by(pids: Iterable[int]) -> set[str]:
    """Return the files in /dev/shm that these processes have open."""
    found = set()
    for pid in pids:
        for entry in _scan(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(entry.path)
            except OSError:
                continue
            if target.startswith(FOLDER + "/"):
                found.add(target)
    return found


def remove_launcher_files(began_s: float, folder: str = "/tmp") -> list[str]:
    """Unlink what killed `hydra_pmi_proxy` processes left since `began_s`, if no other one runs that may need it."""
    left = [entry for entry in _scan(folder) if entry.name.startswith(HYDRA_FILE)]
    if not left or any(p.name == HYDRA_PROXY and _is_this_users(p.pid) for p in list_processes().values()):
        return []
    removed = []
    for entry in left:
        try:
            status = entry.stat(follow_symlinks=False)
            if status.st_uid == os.geteuid() and status.st_ctime >= began_s:
                os.unlink(entry.path)
                removed.append(entry.path)
        except OSError:
            continue
    return removed


def remove(candidates: set[Segment]) -> list[str]:
    """Unlink those of `candidates` that are the same file still and that no visible process maps; return the paths."""
    present = {segment for segment in candidates if _is_ours(segment)}
    if not present:
        return []
    pids = list(list_processes())
    opened = opened_by(pids)  # before the maps: shm_open, mmap, close is the order in which a segment is taken
    in_use, in_time = mapped_by(pids)
    if not in_time:
        return []
    removed = []
    for segment in sorted(present - in_use):
        if segment.path in opened:
            continue
        try:
            os.unlink(segment.path)
            removed.append(segment.path)
        except OSError:
            continue
    return removed


def _is_this_users(pid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}").st_uid == os.geteuid()
    except OSError:
        return False


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _is_ours(segment: Segment) -> bool:
    try:
        status = os.lstat(segment.path)
    except OSError:
        return False
    return (status.st_dev, status.st_ino, status.st_uid) == (segment.device, segment.inode, os.geteuid())
