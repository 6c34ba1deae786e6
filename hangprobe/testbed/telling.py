"""How an error gets from where it happens, inside, to who asked for the testbed: as one line through a pipe."""

from __future__ import annotations

from hangprobe.errors import base, tools
from hangprobe.errors.base import HangprobeError
from hangprobe.errors.tools import TestbedFailed

PREFIX = "error "


def in_one_line(error: BaseException) -> str:
    """Return an error as one line: "error SLUG TEXT"."""
    slug = error.slug if isinstance(error, HangprobeError) else TestbedFailed.slug
    return f"{PREFIX}{slug} {' '.join(str(error).split()) or type(error).__name__}"


def error_of(line: str) -> HangprobeError:
    """Return the error of which the line tells; its class is found by the slug, its text has the remedy in it."""
    _, slug, text = (*line.split(" ", 2), "", "", "")[:3]
    known = (*vars(base).values(), *vars(tools).values())
    kinds = [kind for kind in known if isinstance(kind, type) and issubclass(kind, HangprobeError)]
    kind = next((kind for kind in kinds if kind.slug == slug), TestbedFailed)
    error = kind.__new__(kind)
    HangprobeError.__init__(error, text or "its owner ended without a word")
    return error
