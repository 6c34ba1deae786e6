"""One testbed of three nodes for the tests that only look at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hangprobe.testbed.cluster import Testbed

from .harness import left_of, own_name


@pytest.fixture(scope="session")
def bed() -> Iterator[Testbed]:
    name = own_name("shared")
    with Testbed.up(3, name) as bed:
        yield bed
    assert left_of(name, bed.state) == []
