"""Who may mean to end an orphan: whoever shares a fork or a process group with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hangprobe.attach.elders import ADOPTERS, elders, has_lost_its_starter
from hangprobe.observe.procfs import PF_FORKNOEXEC
from hangprobe.observe.trees import INIT
from tests.unit.observe.forests import Node, terminal

from .kin import FORKED, GROUPED, PARENT, STACK, chain, elders_of, identity, orphan


@pytest.fixture
def node() -> Node:
    """Return a node on which only init runs."""
    return Node()


@pytest.mark.parametrize(("is_forked", "other_is_forked"), [(True, True), (True, False), (False, True)])
def test_of_the_same_stack_and_forked_is_a_relative_of_an_orphan(
    node: Node, is_forked: bool, other_is_forked: bool
) -> None:
    orphan(node, 50, STACK, is_forked=is_forked)
    orphan(node, 60, STACK, is_forked=other_is_forked)
    assert elders_of(node, 50) == [(60, FORKED)]


@pytest.mark.parametrize(
    ("stack", "other", "is_forked"), [(STACK, STACK + 16, True), (STACK, STACK, False), (0, 0, True), (STACK, 0, True)]
)
def test_no_fork_is_shared_with_another_stack_or_two_execs_or_a_stack_that_is_not_shown(
    node: Node, stack: int, other: int, is_forked: bool
) -> None:
    orphan(node, 50, stack, is_forked=is_forked)
    orphan(node, 60, other, is_forked=is_forked)
    assert elders_of(node, 50) == []


def test_a_relative_may_be_deep_in_another_tree_and_is_no_ancestor(node: Node) -> None:
    chain(node, "service", "worker")
    node.stats[11] = replace(node.stats[11], stack_start=STACK, flags=PF_FORKNOEXEC)
    orphan(node, 50, STACK)
    (found,) = elders(node.forest(), identity(50), frozenset())
    assert (found.process, found.is_ancestor) == (identity(11), False)


def test_of_the_same_group_and_session_is_a_relative_of_an_orphan(node: Node) -> None:
    orphan(node, 50, group=40)
    node.add(41, INIT, "script", group=40)
    node.add(42, INIT, "elsewhere", group=40, session=42)
    node.add(43, INIT, "stranger")
    assert elders_of(node, 50) == [(41, GROUPED)]


def test_neither_the_dead_nor_init_nor_what_runs_below_an_orphan_is_a_relative_of_it(node: Node) -> None:
    orphan(node, 50, STACK, group=INIT)
    node.add(51, 50, "child", group=INIT)
    node.add(52, INIT, "gone", group=INIT, state="Z")
    assert elders_of(node, 50) == []


def test_who_has_a_parent_has_no_relatives_beside_it(node: Node) -> None:
    chain(node, "app", "helper")
    node.add(20, INIT, "other", group=11)
    assert elders_of(node, 11) == [(10, PARENT)]


@pytest.mark.parametrize("name", sorted(ADOPTERS))
def test_who_was_adopted_by_a_manager_of_services_has_its_relatives(node: Node, name: str) -> None:
    node.add(10, INIT, name)
    node.add(50, 10, "orphan", group=40)
    node.add(41, INIT, "script", group=40)
    assert elders_of(node, 50) == [(41, GROUPED)]


def test_a_rank_is_no_orphan_where_its_launcher_is_the_first_process_of_a_container(node: Node) -> None:
    node.add(INIT, 0, "mpirun")
    node.add(50, INIT, "app", rank=0, group=40)
    node.add(51, INIT, "app", group=40)
    assert elders_of(node, 50) == []
    assert elders_of(node, 51) == [(50, GROUPED)]


def test_a_job_of_a_terminals_shell_is_no_orphan(node: Node) -> None:
    terminal(node, 10)
    node.add(20, 10, "app", session=10, tty=34816)
    node.add(21, 10, "app", session=10, tty=34816, group=20)
    assert elders_of(node, 20) == []


def test_whoever_asks_about_an_orphan_is_no_relative_of_it(node: Node) -> None:
    """`(app &); hangprobe attach PID` in a script: all three have the script's group."""
    orphan(node, 50, group=40)
    node.add(40, INIT, "sh", command=["sh", "ci.sh"])
    node.add(99, 40, "hangprobe", group=40)
    node.add(41, INIT, "other", group=40)
    assert elders_of(node, 50, 40, 99) == [(41, GROUPED)]


@pytest.mark.parametrize(
    ("parent", "name", "has_lost"),
    [(0, "", True), (INIT, "", True), *((10, name, True) for name in sorted(ADOPTERS)), (10, "app", False)],
)
def test_who_runs_below_init_or_an_adopter_may_have_lost_its_starter(
    node: Node, parent: int, name: str, has_lost: bool
) -> None:
    if name:
        node.add(parent, INIT, name)
    node.add(50, parent, "orphan")
    assert has_lost_its_starter(node.forest(), identity(50)) == has_lost


def test_of_a_process_that_has_gone_no_starter_is_known(node: Node) -> None:
    assert has_lost_its_starter(node.forest(), identity(77))
