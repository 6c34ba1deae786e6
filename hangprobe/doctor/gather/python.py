"""The Python that runs hangprobe."""

from __future__ import annotations

import platform
import struct
import sys

from hangprobe.doctor.facts import PythonFacts
from hangprobe.observe.waits.shapes import SYSCALLS, machine


def python_facts() -> PythonFacts:
    """Return what this interpreter is."""
    return PythonFacts(
        version=(sys.version_info.major, sys.version_info.minor, sys.version_info.micro),
        implementation=platform.python_implementation(),
        bits=8 * struct.calcsize("P"),
        machine=machine(),
        has_table=machine() in SYSCALLS,
    )
