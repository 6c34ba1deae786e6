"""What may run out: descriptors, disk, shared memory."""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path

from hangprobe.doctor.facts import LimitsFacts


def limits_facts(results: Path = Path("hangprobe-results"), shared: Path = Path("/dev/shm")) -> LimitsFacts:
    """Return limits and free space."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    there = next(folder for folder in (results.absolute(), *results.absolute().parents) if folder.is_dir())
    return LimitsFacts(
        open_files=(soft, hard),
        folder=f"{results}/",
        folder_failure="" if os.access(there, os.W_OK | os.X_OK) else "not permitted",
        free_bytes=shutil.disk_usage(there).free,
        shared_memory_bytes=shutil.disk_usage(shared).free if shared.is_dir() else None,
    )
