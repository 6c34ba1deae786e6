"""What may run out in the middle of a job."""

from __future__ import annotations

from hangprobe.doctor.checkup import Said, limited, missing, ok
from hangprobe.doctor.facts import LimitsFacts

FEW_FILES = 4096
"""One descriptor a watched thread is kept open, as far as the limit goes."""
LITTLE_BYTES = 100 << 20
"""For the output of all ranks, of which the record is the smallest part."""
LITTLE_SHARED_BYTES = 128 << 20
"""Containers have 64 MiB unless told otherwise (docker run, --shm-size); MPI runtimes put their queues there."""


def open_files(facts: LimitsFacts) -> Said:
    """Judge the hard limit, to which hangprobe raises its own."""
    _, hard = facts.open_files
    if 0 <= hard < FEW_FILES:
        return limited(
            f"at most {hard}", "watching thousands of threads cheaply", f"ulimit -Hn {4 * FEW_FILES}, as root"
        )
    return ok("no limit" if hard < 0 else f"up to {hard}")


def results_folder(facts: LimitsFacts) -> Said:
    """Judge the place for results."""
    if facts.folder_failure:
        return missing(f"{facts.folder}: {facts.folder_failure}", "results without --out", "hangprobe run --out DIR")
    free = f"{facts.free_bytes / 1e9:.1f} GB free"
    if facts.free_bytes < LITTLE_BYTES:
        return limited(f"{facts.folder}: {free}", "long records", "hangprobe run --out DIR, where there is more space")
    return ok(f"{facts.folder}: {free}")


def shared_memory(facts: LimitsFacts) -> Said:
    """Judge /dev/shm, where MPI runtimes keep their queues."""
    enables = "MPI jobs of many ranks on one node"
    if facts.shared_memory_bytes is None:
        return missing("no /dev/shm", enables, "as root: mount -t tmpfs tmpfs /dev/shm")
    free = f"{facts.shared_memory_bytes / 1e6:.0f} MB free in /dev/shm"
    if facts.shared_memory_bytes < LITTLE_SHARED_BYTES:
        return limited(free, enables, "docker and podman: --shm-size 1g")
    return ok(free)


CHECKS = (open_files, results_folder, shared_memory)
