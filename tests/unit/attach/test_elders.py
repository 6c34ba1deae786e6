"""Who may mean to end a tree that is looked at: its ancestors up to whoever starts other people's work, or its kin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.attach.elders import ADOPTERS, CARRIERS, elders, has_lost_its_starter, is_started_by_launcher
from hangprobe.model import ProcessId
from hangprobe.observe.procfs import PF_FORKNOEXEC
from hangprobe.observe.ranks import LAUNCHERS
from hangprobe.observe.trees import INIT, STARTERS
from tests.unit.observe.forests import Node, terminal
from tests.unit.observe.tree import HOST

PARENT, ANCESTOR = "its parent", "an ancestor of it"
FORKED, GROUPED = "forked from the same program", "of its process group"
STACK = 0x7FFE_1000


@pytest.fixture
def node() -> Node:
    """Return a node on which only init runs."""
    return Node()


def identity(pid: int) -> ProcessId:
    return ProcessId(HOST, pid, 1000 + pid)


def elders_of(node: Node, pid: int, *askers: int) -> list[tuple[int, str]]:
    """Return pid and kinship of each elder."""
    return [(each.process.pid, each.kinship) for each in elders(node.forest(), identity(pid), frozenset(askers))]


def chain(node: Node, *names: str, first: int = 10) -> int:
    """Put programs below init, each one started by the one before it; return the pid of the last."""
    for pid, name in enumerate(names, first):
        node.add(pid, INIT if pid == first else pid - 1, name)
    return first + len(names) - 1


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


@pytest.mark.parametrize("name", sorted(STARTERS))
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


# an orphan's relatives


def orphan(node: Node, pid: int = 50, stack: int = 0, *, is_forked: bool = True, group: int | None = None) -> int:
    """Put a process on the node whose parent is init."""
    node.add(pid, INIT, "orphan", flags=PF_FORKNOEXEC if is_forked else 0, group=group)
    node.stats[pid] = replace(node.stats[pid], stack_start=stack)
    return pid


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
