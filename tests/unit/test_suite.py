"""What the suite itself must not do."""

from __future__ import annotations

import pytest

from tests.conftest import IMPORTED


def test_collecting_the_tests_imports_no_mpi(pytestconfig: pytest.Config) -> None:
    """Whoever imports mpi4py.MPI is a job of one rank: it has threads, signal handlers and segments in /dev/shm."""
    assert "mpi4py" not in pytestconfig.stash[IMPORTED]
