"""What comparing launchers needs: GNU parallel itself, not a namesake, and a Parsl."""

from __future__ import annotations

import shutil
import sys

from hangprobe.doctor.asking import Asker, version_of
from hangprobe.doctor.facts import CompareFacts


def compare_facts(asker: Asker) -> CompareFacts:
    """Return which `parallel` and which packages are here."""
    path = shutil.which("parallel")
    return CompareFacts(
        parallel=path,
        parallel_says=asker.ask(path, "--version").first_line if path else "",
        parsl=version_of("parsl"),
        scipy=version_of("scipy"),
        python=sys.version_info[:2],
    )
