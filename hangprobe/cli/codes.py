"""Exit codes, a public contract: see the table in README.md."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from hangprobe.model import Verdict


class Code(IntEnum):
    """What `run` and `attach` return; `watch` returns the command's own status, 124 or 125 to 127."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNKNOWN = 4
    STALL = 5
    HANG = 124
    ERROR = 125
    INTERRUPTED = 130
    TERMINATED = 143


BY_VERDICT = {
    Verdict.HANG: Code.HANG,
    Verdict.STALL: Code.STALL,
    Verdict.UNKNOWN: Code.UNKNOWN,
    Verdict.FAILED: Code.FAILED,
    Verdict.OK: Code.OK,
}


def worst(verdicts: Iterable[Verdict]) -> Code:
    """Return the code of several jobs: the first present of hang, stall, unknown, failed, ok."""
    present = set(verdicts)
    return next((code for verdict, code in BY_VERDICT.items() if verdict in present), Code.OK)
