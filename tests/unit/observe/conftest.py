"""A synthetic `/proc` for each test that asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from .tree import ProcTree


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    """Return an empty `/proc`."""
    return ProcTree(tmp_path / "proc")
