"""What belongs together on a node: jobs below their launchers, programs below whoever starts other people's work."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.observe.census import Census
from hangprobe.observe.procfs import PF_KTHREAD, Stat
from hangprobe.observe.reader import Reader
from hangprobe.observe.trees import INIT, STARTERS, Forest, Tree, is_interactive

from .tree import HOST

OWN = os.getpid()
"""Of hangprobe itself."""


class Node:
    """The processes of a node: their names, their parents, and what their environments say."""

    def __init__(self) -> None:
        self.stats: dict[int, Stat] = {}
        self.environments: dict[int, dict[str, str]] = {}
        self.commands: dict[int, Sequence[str]] = {}
        self.others: set[int] = set()
        """Processes that may not be looked at."""
        self.pretenders: set[int] = set()
        """Processes that only have the name of the program that they seem to be."""
        self.add(INIT, 0, "systemd")

    def add(
        self,
        pid: int,
        parent: int,
        comm: str,
        *,
        rank: int | None = None,
        command: Sequence[str] = (),
        state: str = "S",
        is_mine: bool = True,
        group: int | None = None,
        session: int = 0,
        tty: int = 0,
        flags: int = 0,
        **environment: str,
    ) -> int:
        """Put a process on the node; with `rank`, it has the variables that Hydra gives its ranks."""
        own = pid if group is None else group
        self.stats[pid] = Stat(comm, state, parent, own, session, tty, flags, 1000 + pid, 1 if state != "Z" else 0)
        named = {} if rank is None else {"PMI_RANK": str(rank), "PMI_SIZE": "4"}
        self.environments[pid] = {**named, **environment}
        self.commands[pid] = command
        if not is_mine:
            self.others.add(pid)
        return pid

    def forest(self) -> Forest:
        census = Census(Reader("/nowhere"), HOST, stats=dict(self.stats))
        census.scan()
        is_mine, is_program = self.others.isdisjoint, self.pretenders.isdisjoint
        return Forest(
            census,
            lambda pid: is_mine({pid}),
            self.environments.__getitem__,
            self.commands.__getitem__,
            lambda pid, name: is_program({pid}),
        )

    def trees(self) -> list[tuple[str | None, list[int]]]:
        """Return every tree: its job, and its roots."""
        return [(tree.job, [root.pid for root in tree.roots]) for tree in self.forest().everything()]

    def hydra(self, first: int, parent: int, port: int, ranks: int = 2) -> int:
        """Put a job of MPICH below a process, as pids `first` and up; return its mpiexec."""
        mpiexec = self.add(first, parent, "mpiexec")
        proxy = ["/opt/mpi/bin/hydra_pmi_proxy", "--control-port", f"login:{port}"]
        self.add(first + 1, mpiexec, "hydra_pmi_proxy", command=proxy)
        for rank in range(ranks):
            self.add(first + 2 + rank, first + 1, "python", rank=rank)
        return mpiexec


def terminal(node: Node, pid: int, parent: int = INIT) -> None:
    """Put a shell that reads from a terminal on the node."""
    node.add(pid, parent, "bash", session=pid, tty=34816, command=["-bash"])


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


# jobs


def test_a_job_is_the_tree_below_its_launcher() -> None:
    node = Node()
    terminal(node, 10)
    node.hydra(20, 10, 45813)
    assert node.trees() == [("mpiexec at login:45813", [20]), (None, [10])]


def test_what_is_looked_at_as_a_job_is_left_out_of_the_program_that_started_it() -> None:
    node = Node()
    node.add(10, INIT, "bash")
    node.hydra(20, 10, 45813)
    job, rest = node.forest().everything()
    assert (job.without, rest.without) == (frozenset(), {20})
    assert job == Tree(job.roots, "mpiexec at login:45813")


def test_the_ranks_of_two_jobs_with_equal_numbers_are_two_jobs() -> None:
    node = Node()
    node.add(10, INIT, "bash")
    node.hydra(20, 10, 45813)
    node.hydra(30, 10, 45999)
    assert node.trees()[:2] == [("mpiexec at login:45813", [20]), ("mpiexec at login:45999", [30])]


def test_two_jobs_that_name_nothing_are_told_apart_by_their_launchers() -> None:
    node = Node()
    for mpiexec in (20, 30):
        node.add(mpiexec, INIT, "mpiexec.hydra")
        node.add(mpiexec + 1, mpiexec, "app", rank=0)
    assert node.trees() == [("pid 20", [20]), ("pid 30", [30])]


def test_a_job_whose_launcher_is_on_another_node_has_its_proxy_as_root() -> None:
    node = Node()
    node.add(10, INIT, "sshd")
    node.add(20, 10, "hydra_pmi_proxy", command=["hydra_pmi_proxy", "--control-port", "login:45813"])
    node.add(21, 20, "python", rank=1)
    assert node.trees() == [("mpiexec at login:45813", [20]), (None, [10])]


def test_a_job_may_have_several_roots_on_one_node() -> None:
    node = Node()
    node.add(10, INIT, "slurmstepd", is_mine=False)
    for rank in (0, 1):
        node.add(20 + rank, 10, "app", SLURM_PROCID=str(rank), SLURM_JOB_ID="7", SLURM_STEP_ID="0")
        node.add(30 + rank, 20 + rank, "helper", SLURM_PROCID=str(rank), SLURM_JOB_ID="7", SLURM_STEP_ID="0")
    assert node.trees() == [("slurm step 7.0", [20, 21])]


def test_a_root_of_a_job_below_another_root_of_it_is_none() -> None:
    node = Node()
    node.add(20, INIT, "prted")
    node.add(21, 20, "app", rank=0, PMIX_NAMESPACE="prterun-login-9@1")
    node.add(30, INIT, "app", rank=1, PMIX_NAMESPACE="prterun-login-9@1")
    node.add(31, 30, "app", rank=1, PMIX_NAMESPACE="prterun-login-9@1")
    assert node.trees() == [("prterun-login-9@1", [20, 30])]


def test_a_launcher_that_carries_a_ranks_variables_is_no_rank() -> None:
    """Under Slurm Hydra's proxies are started by srun, which gives them SLURM_PROCID."""
    node = Node()
    node.add(20, INIT, "mpiexec")
    node.add(21, 20, "srun")
    proxy = ["hydra_pmi_proxy", "--control-port", "login:45813"]
    node.add(30, INIT, "hydra_pmi_proxy", command=proxy, SLURM_PROCID="1", SLURM_JOB_ID="7", SLURM_STEP_ID="0")
    node.add(31, 30, "app", rank=2, SLURM_PROCID="1", SLURM_JOB_ID="7", SLURM_STEP_ID="0")
    assert node.trees() == [("mpiexec at login:45813", [30]), (None, [20])]


def test_what_a_rank_starts_is_its_own_whatever_it_inherits() -> None:
    node = Node()
    node.hydra(20, INIT, 45813, ranks=1)
    node.add(40, 22, "helper", rank=0)
    node.add(41, 40, "helper", rank=0)
    assert node.trees() == [("mpiexec at login:45813", [20])]


def test_an_orphan_that_carries_its_rank_is_a_root_of_the_job_that_it_names() -> None:
    node = Node()
    node.add(20, INIT, "prterun")
    node.add(21, 20, "app", rank=0, PMIX_NAMESPACE="prterun-login-20@1")
    node.add(40, INIT, "daemon", rank=0, PMIX_NAMESPACE="prterun-login-20@1")
    assert node.trees() == [("prterun-login-20@1", [20, 40])]


def test_the_ranks_of_others_are_no_jobs_of_mine() -> None:
    node = Node()
    node.hydra(20, INIT, 45813)
    node.others.update({20, 21, 22, 23})
    assert node.trees() == []


@pytest.mark.xfail(strict=True, reason="the highest launcher is taken for the root: both jobs get all ranks of both")
@pytest.mark.parametrize("starter", ["parallel", "slurmstepd"])
def test_two_jobs_below_one_launcher_of_other_commands_are_looked_at_apart(starter: str) -> None:
    node = Node()
    node.add(10, INIT, starter)
    node.hydra(20, 10, 45813)
    node.hydra(30, 10, 45999)
    jobs = [(job, roots) for job, roots in node.trees() if job is not None]
    assert jobs == [("mpiexec at login:45813", [20]), ("mpiexec at login:45999", [30])]


@pytest.mark.xfail(strict=True, reason="Slurm gives a batch script SLURM_PROCID=0: it is taken for a rank and a job")
def test_a_batch_script_of_slurm_is_no_rank() -> None:
    node = Node()
    node.add(10, INIT, "slurmstepd", is_mine=False)
    node.add(11, 10, "slurm_script", SLURM_PROCID="0", SLURM_JOB_ID="7")
    node.hydra(20, 11, 45813)
    assert [job for job, _ in node.trees() if job is not None] == ["mpiexec at login:45813"]


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
