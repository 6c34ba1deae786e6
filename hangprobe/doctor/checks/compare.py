"""What comparing launchers needs: a Parsl whose workers are spawned, and GNU parallel itself."""

from __future__ import annotations

import re

from hangprobe.doctor.checkup import Said, limited, missing, ok
from hangprobe.doctor.facts import CompareFacts

ENABLES = "comparing MPI launchers with GNU parallel under Parsl"
FIRST_SPAWNING = (2023, 12, 11)
"""Versions before it fork their workers, though they log `spawn`: measured from 1.2.0 to 2026.10.26."""


def gnu_parallel(facts: CompareFacts) -> Said:
    """Judge `parallel`: moreutils and npm have other programs of that name."""
    bring = "hangprobe setup parallel"
    if facts.parallel is None:
        return missing("not found", ENABLES, bring)
    if not facts.parallel_says.startswith("GNU parallel"):
        return missing(_another(facts.parallel, facts.parallel_says), ENABLES, bring)
    if facts.shadow is not None:
        says = f"{facts.parallel_says}: {facts.parallel}; on PATH before it {_another(*facts.shadow)}"
        folder = facts.parallel.rpartition("/")[0]
        return limited(says, "launchers that look for it on PATH", f"PATH={folder}:$PATH, or activate the environment")
    return ok(f"{facts.parallel_says}: {facts.parallel}")


def _another(path: str, says: str) -> str:
    return f"{path} is another program of that name ('{says[:60] or 'it says nothing of its version'}')"


def parsl(facts: CompareFacts) -> Said:
    """Judge Parsl by its version."""
    bring = "pip install parsl"
    if facts.parsl is None:
        return missing("not installed here", ENABLES, bring)
    if _numbers(facts.parsl) < FIRST_SPAWNING:
        return limited(
            f"{facts.parsl} forks its workers, though it may log 'spawn'",
            "workers that no lock of their manager can hang",
            "pip install 'parsl>=2023.12.11'",
        )
    return ok(f"{facts.parsl}: workers are spawned")


def scipy(facts: CompareFacts) -> Said:
    """Judge the package behind rates and intervals."""
    if facts.scipy is None:
        return missing("not installed here", "rates with exact intervals", "pip install scipy")
    return ok(facts.scipy)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(word) for word in re.findall(r"\d+", version)[:3])


CHECKS = (gnu_parallel, parsl, scipy)
