"""A comparison as one JSON document (`hangprobe.comparison/1`), for scripts and the gate."""

from __future__ import annotations

import msgspec

from hangprobe.report.comparison.values import Comparison


def document(comparison: Comparison) -> bytes:
    """Return the document, indented, with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(comparison), indent=1) + b"\n"
