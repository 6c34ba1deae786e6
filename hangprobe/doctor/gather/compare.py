"""What comparing launchers needs: GNU parallel itself, not a namesake, and a Parsl."""

from __future__ import annotations

import shutil
import sys

from hangprobe.doctor.asking import Asker, version_of
from hangprobe.doctor.facts import CompareFacts
from hangprobe.launch.gnuparallel import default_path
from hangprobe.launch.parallelsources import candidates


def compare_facts(asker: Asker) -> CompareFacts:
    """Return which `parallel` and which packages are here."""
    says = {path: asker.ask(path, "--version").first_line for path in candidates(default_path())}
    genuine = next((path for path, line in says.items() if line.startswith("GNU parallel")), None)
    path, first = genuine or next(iter(says), None), shutil.which("parallel")
    is_shadowed = genuine is not None and first in says and not says[first].startswith("GNU parallel")
    return CompareFacts(
        parallel=path,
        parallel_says=says[path] if path else "",
        parsl=version_of("parsl"),
        scipy=version_of("scipy"),
        python=sys.version_info[:2],
        shadow=(first, says[first]) if first is not None and is_shadowed else None,
    )
