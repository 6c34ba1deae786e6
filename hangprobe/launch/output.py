"""What the ranks printed, under the same names whatever launcher wrote it: `rank-N.out` and `rank-N.err`."""

from __future__ import annotations

import re
from pathlib import Path

_OPENMPI = re.compile(r"rank\.[^/]*\.(\d+)\.(out|err)")
"""`rank.prterun-HOST-PID@1.0.out`: prterun(1), `--output file=NAME`."""


def settle(folder: Path) -> None:
    """Give the files of a job that has ended the names that they should have."""
    for path in sorted(folder.glob("rank.*")):
        if found := _OPENMPI.fullmatch(path.name):
            path.rename(folder / f"rank-{int(found[1])}.{found[2]}")
