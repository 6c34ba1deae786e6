"""What concerns the whole suite: how thoroughly Hypothesis looks, the order of tests, and what collecting them imports.

Hypothesis: `ordinary` for every run, `nightly` for the long one (HYPOTHESIS_PROFILE).
"""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ordinary", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.register_profile("nightly", settings.get_profile("ordinary"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ordinary"))

IMPORTED = pytest.StashKey[frozenset[str]]()
"""The modules that were imported when all tests had been collected."""

TURNS = ("tests/integration/lookalikes/", "tests/unit/")
"""What comes last, in this order. Look-alikes are many programs at once, and a busy machine looks at them too seldom:
beside them run unit tests, which take one processor, and not jobs whose ranks poll on all of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests of a kind behind each other, in their own order."""
    items.sort(key=lambda item: next((turn for turn, place in enumerate(TURNS, 1) if item.nodeid.startswith(place)), 0))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Remember what is imported before the first test."""
    session.config.stash[IMPORTED] = frozenset(sys.modules)
