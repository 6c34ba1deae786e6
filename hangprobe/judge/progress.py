"""Decide from the quiet time of a rank tree whether it has stalled.

Two facts shape this module. CPU time is not progress: a rank that waits inside MPI may poll at full speed; and silence
is not proof: a rank whose main thread sleeps for a set time will go on by itself, so it is never called stalled.
"""

from __future__ import annotations

from hangprobe.judgement import Progress
from hangprobe.model import ThreadView


def is_stalled(main: ThreadView, progress: Progress | None, window_s: float) -> bool:
    """Tell whether a rank made no progress for `window_s` while its main thread waits for something else than time."""
    return progress is not None and progress.quiet_s >= window_s and main.state == "S" and not main.is_timed
