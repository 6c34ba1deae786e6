"""What a comparison needs before anything is started: environments with the Parsls compared, and a sound CONFIG.py.

Apart from the campaign, because it wants a package index and a testbed has no way out; and because whatever is wrong
is to be said at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hangprobe.cli.asked import Asked
from hangprobe.ensemble.reading import PLAN, read

if TYPE_CHECKING:
    from hangprobe.ensemble.subjects import Subject


def ready(asked: Asked, resume: Path | None) -> Asked:
    """Make what is missing, say what is doubtful, and return what was asked for with the newest Parsl by its version.

    Raises ConfigurationRefused with all mistakes, ConfigurationUnreadable, SubjectMute, SubjectFailed, ExtraMissing.
    """
    if resume is not None and not asked.is_anything:
        if (resume / PLAN).is_file():
            environments((cell.parsl for cell in read(resume).campaign.cells), _say)
        return asked
    axes = asked.axes
    made = environments(axes.parsls, _say)
    if asked.config is not None:
        mpi = axes.mpis[0] if len(axes.mpis) == 1 and axes.mpis[0] != "path" else None
        _check(asked.config, made.values(), mpi)
    names = [made[name].version if name == "newest" else name for name in axes.parsls]
    return replace(asked, parsl=",".join(dict.fromkeys(names))) if asked.parsl is not None else asked


def environments(versions: Iterable[str], say: Callable[[str], None]) -> dict[str, Subject]:
    """Return the environment of each version of Parsl, making those that are not in the cache."""
    from hangprobe.ensemble.subjects import subject

    return {version: subject(version, cache_folder(), say) for version in dict.fromkeys(versions)}


def cache_folder() -> Path:
    """Return hangprobe's cache as it is outside of a testbed, whose HOME is another one."""
    users = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(os.environ.get("HANGPROBE_CACHE") or os.path.join(users, "hangprobe")).absolute()


def _check(config: Path, subjects: Iterable[Subject], mpi: str | None) -> None:
    from hangprobe.lint.check import require
    from hangprobe.lint.mistake import render

    for subject in subjects:
        if doubts := require(config, subject.python, mpi):
            _say(f"{render(str(config), doubts)}\n")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
