"""Every test runs in an empty folder of its own, and leaves nothing outside of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Done, hangprobe
from .leftovers import nothing_left_behind


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compare processes and MPI's files before and after; the environment's own mpiexec and python come first."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    with nothing_left_behind():
        yield


@pytest.fixture(scope="module")
def hung(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One ended run of the first reproducer, for all tests that only look at what it left on paper."""
    folder = tmp_path_factory.mktemp("hung")
    with nothing_left_behind():
        return hangprobe("run", "bcast_under_lock", "--ranks", "4", "--grace", "0.5", "--json", "doc", folder=folder)
