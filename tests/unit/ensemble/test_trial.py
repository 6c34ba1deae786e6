"""Where a trial expects its managers."""

from __future__ import annotations

import socket

import pytest

from hangprobe.ensemble.measures import Measures
from hangprobe.ensemble.records import ManagerSeen, Settings
from hangprobe.ensemble.trial import Runner, Site


def expected(measures: Measures, *nodes: str) -> tuple[str, ...]:
    """Return the hosts on which managers are to run."""
    return Runner(Site("local", nodes), Settings(), {})._expected(measures)


@pytest.mark.parametrize(("count", "hosts"), [(0, ("a", "b", "c")), (2, ("a", "b")), (3, ("a", "b", "c"))])
def test_managers_are_expected_on_the_first_nodes_as_many_as_the_configuration_wants(
    count: int, hosts: tuple[str, ...]
) -> None:
    assert expected(Measures(expected=count), "a", "b", "c") == hosts


def test_a_configuration_that_starts_its_managers_beside_the_driver_has_them_there() -> None:
    assert expected(Measures(expected=1, is_here=True), "a", "b") == (socket.gethostname(),)


def test_a_node_is_called_as_its_manager_calls_it() -> None:
    seen = Measures(expected=2, managers=(ManagerSeen("x1", 0, 1.0, 2, {}),))
    assert expected(seen, "x1.hsn.site.gov", "x2.hsn.site.gov") == ("x1", "x2.hsn.site.gov")
