"""What belongs together on a node: programs below whoever starts other people's work; and what is asked for."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.observe.procfs import PF_KTHREAD
from hangprobe.observe.trees import INIT, STARTERS, Tree, is_interactive

from .forests import OWN, Node, terminal


@pytest.fixture(autouse=True)
def own_pid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hangprobe have a pid that no process below has, wherever these tests run."""
    monkeypatch.setattr(os, "getpid", lambda: OWN)


# programs outside jobs


def test_a_program_and_all_that_it_started_are_one_tree() -> None:
    node = Node()
    node.add(10, INIT, "app")
    node.add(11, 10, "helper")
    node.add(12, 11, "helper's")
    assert node.trees() == [(None, [10])]


def test_each_of_what_a_starter_of_other_peoples_work_has_started_is_a_tree() -> None:
    for name in sorted(STARTERS):
        node = Node()
        node.add(10, INIT, name)
        node.add(11, 10, "app")
        node.add(12, 10, "app")
        assert node.trees() == [(None, [10]), (None, [11]), (None, [12])], name


def test_a_job_of_the_terminals_shell_is_a_tree_and_one_of_its_scripts_is_not() -> None:
    node = Node()
    terminal(node, 10)
    node.add(20, 10, "make", session=10, tty=34816)
    node.add(21, 20, "cc", session=10, tty=34816, group=20)
    node.add(30, INIT, "bash", session=30, command=["bash", "run.sh"], tty=34816)
    node.add(31, 30, "sleep", session=30)
    assert node.trees() == [(None, [10]), (None, [20]), (None, [30])]


def test_a_program_that_only_has_the_name_of_a_starter_is_none() -> None:
    node = Node()
    node.add(10, INIT, "sshd")
    node.add(11, 10, "app")
    node.pretenders.add(10)
    assert node.trees() == [(None, [10])]


@pytest.mark.parametrize(
    ("command", "is_one"),
    [
        (["-bash"], True),
        (["bash"], True),
        (["bash", "--login"], True),
        (["bash", "-i"], True),
        (["bash", "run.sh"], False),
        (["bash", "-c", "sleep 9"], False),
        (["bash", "-lc", "sleep 9"], False),
        ([], False),
    ],
)
def test_a_shell_that_runs_a_script_is_not_interactive(command: list[str], is_one: bool) -> None:
    assert is_interactive(command) == is_one


def test_a_member_of_a_shells_pipeline_is_below_the_shell_as_it_has_the_group_of_another() -> None:
    node = Node()
    terminal(node, 10)
    node.add(20, 10, "cat", session=10, tty=34816)
    node.add(21, 10, "sort", session=10, tty=34816, group=20)
    assert (None, [20]) in node.trees()
    assert (None, [21]) not in node.trees()


def test_what_runs_below_another_users_process_is_a_tree_of_its_own() -> None:
    node = Node()
    node.add(10, INIT, "daemon", is_mine=False)
    node.add(11, 10, "mine")
    node.add(12, 11, "mine-too")
    assert node.trees() == [(None, [11])]


def test_neither_init_nor_the_kernels_threads_nor_the_dead_are_trees() -> None:
    node = Node()
    node.add(2, 0, "kthreadd", flags=PF_KTHREAD)
    node.add(3, 2, "kworker/0:1", flags=PF_KTHREAD)
    node.add(10, INIT, "gone", state="Z")
    assert node.trees() == []


def test_hangprobe_itself_is_in_no_tree_but_may_be_below_the_shell_of_one() -> None:
    node = Node()
    terminal(node, 10)
    node.add(OWN, 10, "hangprobe", session=10, tty=34816, rank=3)
    node.add(OWN + 1, OWN, "py-spy", rank=3)
    assert node.trees() == [(None, [10])]


def test_parents_that_form_a_circle_end_the_walk() -> None:
    """A pid that was used again while the list was read can make a process its own ancestor."""
    node = Node()
    node.add(10, 11, "app")
    node.add(11, 10, "app")
    assert [job for job, _ in node.trees()] == [None] * len(node.trees())


# what is asked for


def below(node: Node, *pids: int) -> list[tuple[str | None, list[int]]]:
    return [(tree.job, [root.pid for root in tree.roots]) for tree in node.forest().below(pids)]


def test_below_a_launchers_shell_its_jobs_are_meant() -> None:
    node = Node()
    node.add(10, INIT, "bash")
    node.hydra(20, 10, 45813)
    node.hydra(30, 10, 45999)
    assert [job for job, _ in below(node, 10)] == ["mpiexec at login:45813", "mpiexec at login:45999"]


def test_a_launcher_that_is_asked_about_is_its_job() -> None:
    node = Node()
    node.hydra(20, INIT, 45813)
    assert below(node, 20) == [("mpiexec at login:45813", [20])]


def test_a_proxy_that_is_asked_about_is_looked_at_without_the_launcher_above_it() -> None:
    node = Node()
    node.hydra(20, INIT, 45813)
    assert below(node, 21) == [("mpiexec at login:45813", [21])]


def test_a_rank_that_is_asked_about_is_looked_at_alone() -> None:
    node = Node()
    node.hydra(20, INIT, 45813)
    assert below(node, 22) == [(None, [22])]


def test_a_program_without_a_job_is_itself_and_one_that_has_gone_is_nothing() -> None:
    node = Node()
    node.add(10, INIT, "app")
    assert below(node, 10, 999) == [(None, [10])]


def test_what_is_asked_for_twice_is_looked_at_once() -> None:
    node = Node()
    node.hydra(20, INIT, 45813)
    assert below(node, 20, 20) == [("mpiexec at login:45813", [20])]


def test_a_name_means_the_highest_processes_that_have_it() -> None:
    node = Node()
    node.add(10, INIT, "app")
    node.add(11, 10, "app")
    node.add(12, INIT, "app", is_mine=False)
    node.add(13, INIT, "app2")
    node.add(OWN, INIT, "app")
    assert node.forest().named("app") == [10]


def test_a_name_is_cut_as_the_kernel_cuts_it() -> None:
    node = Node()
    node.add(10, INIT, "hydra_bstrap_pr")
    assert node.forest().named("hydra_bstrap_proxy") == [10]


# whatever the tree

NAMES = ["app", "sh", "bash", "mpiexec", "hydra_pmi_proxy", "srun", "sshd", "tmux: server", "parallel"]
NODES = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from(NAMES), st.booleans(), st.none() | st.integers(0, 1), st.booleans()),
    max_size=14,
)


def built(made: list[tuple[int, str, bool, int | None, bool]]) -> Node:
    """Put processes on a node, each below one that was there before."""
    node = Node()
    pids = [INIT]
    for at, (above, name, is_mine, rank, has_terminal) in enumerate(made):
        parent, pid = pids[above % len(pids)], 10 + at
        node.add(pid, parent, name, is_mine=is_mine, rank=rank, session=parent, tty=34816 if has_terminal else 0)
        pids.append(pid)
    return node


def covered(node: Node, tree: Tree) -> set[int]:
    """Return the processes that are looked at as one tree: none below a root of another."""
    census, found = node.forest().census, set[int]()
    ahead = [root.pid for root in tree.roots]
    while ahead:
        pid = ahead.pop()
        if pid not in tree.without:
            found.add(pid)
            ahead += census.children(pid)
    return found


@given(NODES)
def test_every_process_of_mine_is_in_a_tree(made: list[tuple[int, str, bool, int | None, bool]]) -> None:
    node = built(made)
    mine = node.stats.keys() - node.others - {INIT}
    assert mine <= set[int]().union(*(covered(node, tree) for tree in node.forest().everything()))


@given(NODES)
def test_a_root_is_a_root_once(made: list[tuple[int, str, bool, int | None, bool]]) -> None:
    node = built(made)
    roots = [root.pid for tree in node.forest().everything() if tree.job is None for root in tree.roots]
    assert len(roots) == len(set(roots))
    assert INIT not in roots
    assert not node.others & set(roots)


@given(NODES)
def test_a_program_outside_jobs_is_never_looked_at_without_the_one_that_may_end_it(
    made: list[tuple[int, str, bool, int | None, bool]],
) -> None:
    """Its parent is in the same tree, unless that starts other people's work or may not be looked at."""
    node = built(made)
    for tree in node.forest().everything():
        for root in tree.roots if tree.job is None else ():
            parent = node.stats[root.pid].parent or 0
            above = node.stats[parent]
            assert parent == INIT or parent in node.others or above.comm in STARTERS or above.comm in {"bash", "sh"}
