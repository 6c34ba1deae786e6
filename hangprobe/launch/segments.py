"""Remove the shared memory that killed ranks leave in /dev/shm.

A rank that is killed never unlinks its segment: a job of two ranks left 4 MB in `mpich_shm_*` (measured), and a
full /dev/shm stops the next job with a bus error. Nothing is removed on its name alone: it must carry the name of
an MPI runtime, a process of the job must have had that very inode mapped, and nobody may map it now.

Standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from hangprobe.launch.proctree import list_processes, read_within

FOLDER = "/dev/shm"
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


def remove(candidates: set[Segment]) -> list[str]:
    """Unlink those of `candidates` that are the same file still and that no visible process maps; return the paths."""
    present = {segment for segment in candidates if _is_ours(segment)}
    if not present:
        return []
    in_use, in_time = mapped_by(list_processes())
    if not in_time:
        return []
    removed = []
    for segment in sorted(present - in_use):
        try:
            os.unlink(segment.path)
            removed.append(segment.path)
        except OSError:
            continue
    return removed


def _is_ours(segment: Segment) -> bool:
    try:
        status = os.lstat(segment.path)
    except OSError:
        return False
    return (status.st_dev, status.st_ino, status.st_uid) == (segment.device, segment.inode, os.geteuid())
