"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from hangprobe import __version__


def describe() -> dict[str, str]:
    """Return the machine, the kernel and the versions that matter; no host name, no path."""
    packages = ("mpich", "mpi4py", "py-spy", "psutil", "msgspec")
    found = {name: metadata.version(name) for name in packages}
    return {
        "hangprobe": __version__,
        "commit": git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "hangprobe") else ""),
        "machine": platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "python": sys.version.split()[0],
        "user": "root" if os.geteuid() == 0 else "ordinary",
        **found,
    }


def git(*words: str) -> str:
    """Return what git prints, in the checkout that this file belongs to; empty outside of one."""
    here = Path(__file__).parent
    return subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=here).stdout.strip()


def section() -> list[str]:
    """Return the facts as the last section of a Markdown page."""
    return [
        "## Machine",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in describe().items()),
        "",
    ]


def who() -> str:
    """Return as whom this runs."""
    return "root" if os.geteuid() == 0 else f"uid {os.geteuid()}"
