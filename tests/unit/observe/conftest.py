"""A synthetic `/proc` for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hangprobe.observe import holders
from hangprobe.observe.sampler import Sampler

from .calls import working
from .sampled import RANK, ROOT
from .tree import ARCH, HOST, ProcTree


@pytest.fixture
def tree(tmp_path: Path) -> ProcTree:
    """Return an empty `/proc`."""
    return ProcTree(tmp_path / "proc")


@pytest.fixture(autouse=True)
def counts_files_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel count descriptors in flight, whatever kernel these tests run on."""
    monkeypatch.setattr(holders, "_has_count", True)


@pytest.fixture
def sampler(tree: ProcTree) -> Iterator[Sampler]:
    """Return a sampler below process 100, with the x86-64 numbers of the synthetic tree."""
    tree.add(ROOT, [working()], comm="guardian")
    made = Sampler(tree.reader(), HOST, ROOT, RANK, own={})
    made.arch = ARCH
    yield made
    made.close()
