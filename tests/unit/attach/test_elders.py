"""Who may mean to end a tree that is looked at: its ancestors, up to whoever starts other people's work."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.attach.elders import CARRIERS, elders, is_started_by_launcher
from hangprobe.observe.ranks import LAUNCHERS
from hangprobe.observe.trees import INIT, STARTERS
from tests.unit.observe.forests import Node, terminal

from .kin import ANCESTOR, PARENT, chain, elders_of, identity


@pytest.fixture
def node() -> Node:
    """Return a node on which only init runs."""
    return Node()


# those above it


def test_its_parent_and_all_ancestors_are_elders_the_nearest_first(node: Node) -> None:
    chain(node, "service", "manager", "worker", "helper")
    assert elders_of(node, 13) == [(12, PARENT), (11, ANCESTOR), (10, ANCESTOR)]


def test_an_elder_is_a_process_and_not_a_pid_alone(node: Node) -> None:
    chain(node, "app", "helper")
    (found,) = elders(node.forest(), identity(11), frozenset())
    assert (found.process, found.is_ancestor) == (identity(10), True)


def test_what_init_has_started_has_no_elder(node: Node) -> None:
    assert elders_of(node, chain(node, "app")) == []


def test_neither_children_nor_siblings_are_elders(node: Node) -> None:
    chain(node, "app", "helper")
    node.add(20, 10, "sibling", group=11)
    node.add(21, 11, "child")
    assert elders_of(node, 11) == [(10, PARENT)]


@pytest.mark.parametrize("name", sorted(STARTERS - CARRIERS))
def test_who_starts_other_peoples_work_is_no_elder_nor_is_anything_above_it(node: Node, name: str) -> None:
    chain(node, "app", name, "worker", "helper")
    assert elders_of(node, 13) == [(12, PARENT)]
    assert elders_of(node, 12) == []


@pytest.mark.parametrize("name", sorted(STARTERS - CARRIERS))
def test_a_program_that_only_has_the_name_of_a_starter_is_an_elder(node: Node, name: str) -> None:
    chain(node, name, "helper")
    node.pretenders.add(10)
    assert elders_of(node, 11) == [(10, PARENT)]


def test_the_shell_of_a_terminal_is_no_elder_and_one_that_runs_a_script_is(node: Node) -> None:
    terminal(node, 10)
    node.add(20, 10, "bash", session=10, tty=34816, command=["bash", "run.sh"])
    node.add(21, 20, "app", session=10, tty=34816, group=20)
    assert elders_of(node, 20) == []
    assert elders_of(node, 21) == [(20, PARENT)]


def test_a_parent_that_is_not_in_sight_ends_the_walk(node: Node) -> None:
    node.add(10, 9, "app")
    node.add(11, 10, "helper")
    assert elders_of(node, 11) == [(10, PARENT)]
    assert elders_of(node, 10) == []


# launchers


def test_a_rank_has_no_elder_as_its_launcher_ends_no_rank_because_it_waits(node: Node) -> None:
    node.hydra(20, chain(node, "driver"), 45813)
    assert is_started_by_launcher(node.forest(), 22)
    assert elders_of(node, 22) == []


def test_below_a_rank_the_rank_is_the_last_elder(node: Node) -> None:
    node.hydra(20, chain(node, "driver"), 45813)
    node.add(30, 22, "worker", rank=0)
    node.add(31, 30, "helper", rank=0)
    assert elders_of(node, 31) == [(30, PARENT), (22, ANCESTOR)]


@pytest.mark.parametrize("name", sorted(LAUNCHERS))
def test_a_launcher_that_gave_no_number_is_an_elder_by_whatever_name(node: Node, name: str) -> None:
    chain(node, "driver", name, "helper")
    assert not is_started_by_launcher(node.forest(), 12)
    assert elders_of(node, 12) == [(11, PARENT), (10, ANCESTOR)]


def test_a_number_that_the_launcher_itself_was_started_with_makes_no_rank(node: Node) -> None:
    """A program that is itself a rank, and is called mpirun, hands its own number on."""
    node.hydra(20, INIT, 45813)
    node.add(30, 22, "mpirun", rank=0)
    node.add(31, 30, "helper", rank=0)
    assert not is_started_by_launcher(node.forest(), 31)
    assert elders_of(node, 31) == [(30, PARENT), (22, ANCESTOR)]


def test_another_number_than_the_launchers_own_makes_a_rank(node: Node) -> None:
    """Hydra's proxy under Slurm is a task of srun, and gives its ranks numbers of their own."""
    node.add(10, INIT, "hydra_pmi_proxy", rank=0)
    node.add(11, 10, "app", rank=3)
    assert is_started_by_launcher(node.forest(), 11)
    assert elders_of(node, 11) == []


def test_a_number_without_a_launcher_above_makes_no_rank(node: Node) -> None:
    node.add(10, INIT, "python")
    node.add(11, 10, "app", rank=3)
    assert not is_started_by_launcher(node.forest(), 11)
    assert elders_of(node, 11) == [(10, PARENT)]


# those who only pass on what they are told


@pytest.mark.parametrize("name", sorted(CARRIERS))
def test_who_only_passes_on_signals_is_no_elder_but_whoever_uses_it_is(node: Node, name: str) -> None:
    chain(node, "driver", "app", name, "helper")
    assert [pid for pid, _ in elders_of(node, 13)] == [11, 10]


@pytest.mark.parametrize("name", sorted(CARRIERS))
def test_a_program_that_only_has_the_name_of_a_carrier_is_an_elder(node: Node, name: str) -> None:
    chain(node, name, "helper")
    node.pretenders.add(10)
    assert elders_of(node, 11) == [(10, PARENT)]


def test_a_starter_above_two_carriers_ends_the_walk(node: Node) -> None:
    chain(node, "app", "sshd", "sudo", "su", "program")
    assert elders_of(node, 14) == []


def test_a_launcher_that_is_run_by_sudo_makes_ranks_as_well(node: Node) -> None:
    chain(node, "driver", "sudo")
    node.hydra(20, 11, 45813)
    assert elders_of(node, 22) == []
    assert [pid for pid, _ in elders_of(node, 20)] == [10]


# whoever asks


def test_whoever_asks_is_no_elder_nor_is_anything_above_it(node: Node) -> None:
    chain(node, "driver", "script", "worker", "helper")
    assert elders_of(node, 13, 10, 11, 99) == [(12, PARENT)]
    assert elders_of(node, 12, 10, 11, 99) == []


def test_an_asker_from_elsewhere_takes_nobody_away(node: Node) -> None:
    chain(node, "driver", "script", "helper")
    assert elders_of(node, 12, 98, 99) == [(11, PARENT), (10, ANCESTOR)]


def test_a_process_whose_parent_asks_has_no_relatives_instead(node: Node) -> None:
    chain(node, "script", "app")
    node.add(20, INIT, "other", group=11)
    assert elders_of(node, 11, 10) == []


# circles


@pytest.mark.parametrize(
    ("parents", "found"), [({10: 10}, []), ({10: 11, 11: 10}, [11]), ({10: 11, 11: 12, 12: 11}, [11, 12])]
)
def test_parents_that_form_a_circle_end_the_walk(node: Node, parents: Mapping[int, int], found: list[int]) -> None:
    """A pid that was used again while the list was read can make a process its own ancestor."""
    for pid, parent in parents.items():
        node.add(pid, parent, "app")
    assert [pid for pid, _ in elders_of(node, 10)] == found


@given(st.lists(st.integers(0, 8), min_size=8, max_size=8))
def test_whatever_the_parents_are_each_elder_is_named_once_and_never_the_process_itself(parents: list[int]) -> None:
    node = Node()
    for pid, parent in enumerate(parents, 2):
        node.add(pid, parent, "app")
    found = [pid for pid, _ in elders_of(node, 2)]
    assert len(found) == len(set(found))
    assert not {2, INIT} & set(found)
