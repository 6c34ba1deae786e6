"""Which process is which rank of which launcher."""

from __future__ import annotations

import msgspec
import pytest

from hangprobe.model import Launcher, ProcessId, RankView
from hangprobe.observe.ranks import Marker, Relative, attribute, marker
from hangprobe.observe.waits.shapes import SYSCALLS, machine

from .calls import Thread, call, in_epoll, working
from .tree import ProcTree

MPIEXEC, PROXY = 10, 11
WAIT4 = next((number for number, name in SYSCALLS.get(machine(), {}).items() if name == "wait4"), 61)
"""Ranks are found on the machine itself, so its own number."""
WAITING = Thread(call(WAIT4, 0xFFFFFFFF), "do_wait")

needs_table = pytest.mark.skipif(machine() not in SYSCALLS, reason="no table of system calls for this machine")


def relative(
    pid: int, parent: int, rank: int | None = None, name: str = "python", threads: int = 1, start: int | None = None
) -> Relative:
    mark = None if rank is None else Marker(rank, Launcher.HYDRA)
    return Relative(ProcessId("node01", pid, pid if start is None else start), parent, name, mark, threads)


def found(tree: ProcTree, *relatives: Relative) -> dict[int, RankView]:
    launcher = (relative(MPIEXEC, 1, name="mpiexec"), relative(PROXY, MPIEXEC, name="hydra_pmi_proxy"))
    return {view.rank: view for view in attribute([*launcher, *relatives], MPIEXEC, tree.reader())}


def members(view: RankView) -> set[int]:
    return {process.pid for process in view.members}


# markers


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PMI_RANK": "3"}, Marker(3, Launcher.HYDRA)),
        ({"PMI_RANK": "0", "PMI_SIZE": "4", "HYDI_CONTROL_FD": "7"}, Marker(0, Launcher.HYDRA, 4)),
        ({"OMPI_COMM_WORLD_RANK": "2"}, Marker(2, Launcher.OPENMPI)),
        ({"OMPI_COMM_WORLD_RANK": "2", "PMI_RANK": "9", "SLURM_PROCID": "0"}, Marker(2, Launcher.OPENMPI)),
        ({"PALS_RANKID": "5"}, Marker(5, Launcher.PALS)),
        ({"PALS_RANKID": "5", "PMI_RANK": "5"}, Marker(5, Launcher.PALS)),
        ({"SLURM_PROCID": "7", "SLURM_STEP_ID": "0"}, Marker(7, Launcher.SRUN)),
        ({"SLURM_PROCID": "0"}, None),
        ({"SLURM_PROCID": "7", "PMI_RANK": "7"}, Marker(7, Launcher.SRUN)),
        ({"SLURM_PROCID": "0", "PMI_RANK": "7"}, Marker(7, Launcher.HYDRA)),
        ({"SLURM_PROCID": "0", "PMI_RANK": "0", "HYDRA_LAUNCHER": "ssh"}, Marker(0, Launcher.HYDRA)),
        ({"PMI_RANK": "1", "I_MPI_MPIRUN": "mpirun"}, Marker(1, Launcher.INTEL)),
        ({"PMI_RANK": "1", "SLURM_PROCID": "1", "I_MPI_PIN": "1"}, Marker(1, Launcher.INTEL)),
        ({}, None),
        ({"PMI_SIZE": "4"}, None),
        ({"PMI_RANK": ""}, None),
        ({"PMI_RANK": "-1"}, None),
        ({"PMI_RANK": "one"}, None),
    ],
)
def test_the_environment_of_a_rank_names_it(environment: dict[str, str], expected: Marker | None) -> None:
    assert marker(environment, own={}) == expected


def test_the_rank_in_which_hangprobe_itself_runs_says_nothing() -> None:
    assert marker({"PMI_RANK": "3"}, own={"PMI_RANK": "3"}) is None
    assert marker({"PMI_RANK": "2"}, own={"PMI_RANK": "3"}) == Marker(2, Launcher.HYDRA)


def test_behind_the_allocations_own_variable_the_launchers_one_counts() -> None:
    own = {"SLURM_PROCID": "0"}
    assert marker({"SLURM_PROCID": "0", "PMI_RANK": "0"}, own) == Marker(0, Launcher.SRUN)
    assert marker({"SLURM_PROCID": "0"}, own) is None


@pytest.mark.parametrize("value", ["²", "9" * 5000])
def test_a_rank_that_is_no_number_is_none(value: str) -> None:
    assert marker({"PMI_RANK": value}, own={}) is None


# attribution


def test_every_process_that_names_a_rank_is_one_with_all_its_descendants(tree: ProcTree) -> None:
    ranks = found(
        tree,
        relative(20, PROXY, 0),
        relative(30, PROXY, 1),
        relative(31, 30, 1),
        relative(32, 31, None),
    )
    assert {number: (view.top.pid, view.main.pid, members(view)) for number, view in ranks.items()} == {
        0: (20, 20, {20}),
        1: (30, 30, {30, 31, 32}),
    }
    assert {view.launcher for view in ranks.values()} == {Launcher.HYDRA}


def test_ranks_come_in_order(tree: ProcTree) -> None:
    assert list(found(tree, relative(20, PROXY, 2), relative(30, PROXY, 0), relative(40, PROXY, 1))) == [0, 1, 2]


def test_an_orphan_that_carries_a_rank_joins_it(tree: ProcTree) -> None:
    ranks = found(tree, relative(20, PROXY, 0), relative(55, 1, 0), relative(56, 55, None))
    assert (ranks[0].top.pid, members(ranks[0])) == (20, {20, 55, 56})


def test_a_launcher_inside_a_rank_starts_no_new_ranks(tree: ProcTree) -> None:
    ranks = found(tree, relative(20, PROXY, 3), relative(21, 20, 3, name="mpiexec"), relative(22, 21, 0))
    assert list(ranks) == [3]
    assert members(ranks[3]) == {20, 21, 22}


def test_parents_are_asked_before_their_children_whatever_their_start_times(tree: ProcTree) -> None:
    # start times have ticks of 10 ms, and pids wrap around
    ranks = found(tree, relative(900, PROXY, 1, start=50), relative(200, 900, 0, start=50))
    assert (list(ranks), members(ranks[1])) == ([1], {900, 200})


def test_a_circle_of_parents_is_no_endless_loop(tree: ProcTree) -> None:
    (view,) = attribute([relative(20, 21, 0), relative(21, 20)], 20, tree.reader())
    assert (view.rank, view.top.pid) == (0, 20)


def test_a_lone_command_is_rank_0_with_everything_below(tree: ProcTree) -> None:
    (view,) = attribute([relative(20, 1), relative(21, 20), relative(22, 21)], 20, tree.reader())
    assert (view.rank, view.launcher, view.main.pid, members(view)) == (0, Launcher.NONE, 20, {20, 21, 22})


def test_a_command_that_has_gone_is_no_rank(tree: ProcTree) -> None:
    assert attribute([relative(21, 1)], 20, tree.reader()) == ()
    assert attribute([], 20, tree.reader()) == ()


# behind shells


def shells(tree: ProcTree, *threads: Thread) -> None:
    """Make a rank that is a shell (20) with a program (21) below."""
    tree.add(20, threads, comm="sh")
    # `Reader` reads the files of the process here, not of its task
    for name in ("syscall", "wchan"):
        tree.write(f"20/{name}", (tree.root / f"20/task/20/{name}").read_bytes())


@needs_table
def test_behind_a_shell_that_waits_for_its_only_child_that_child_stands_for_the_rank(tree: ProcTree) -> None:
    shells(tree, WAITING)
    rank = found(tree, relative(20, PROXY, 1, name="sh"), relative(21, 20, 1, threads=5))[1]
    assert (rank.top.pid, rank.main.pid, members(rank)) == (20, 21, {20, 21})


@needs_table
def test_behind_two_shells_too(tree: ProcTree) -> None:
    shells(tree, WAITING)
    for name in ("syscall", "wchan"):
        tree.write(f"21/{name}", (tree.root / f"20/{name}").read_bytes())
    ranks = found(tree, relative(20, PROXY, 1, name="sh"), relative(21, 20, 1, name="bash"), relative(22, 21, 1))
    assert ranks[1].main.pid == 22


@needs_table
@pytest.mark.parametrize(
    "thread", [working(), in_epoll(), Thread(call(0, 0), "pipe_read"), Thread(WAITING.syscall, "0")]
)
def test_a_shell_that_does_something_else_stands_for_itself(tree: ProcTree, thread: Thread) -> None:
    shells(tree, thread)
    assert found(tree, relative(20, PROXY, 1, name="sh"), relative(21, 20, 1))[1].main.pid == 20


@needs_table
def test_a_shell_with_two_children_or_none_stands_for_itself(tree: ProcTree) -> None:
    shells(tree, WAITING)
    shell = relative(20, PROXY, 1, name="sh")
    assert found(tree, shell, relative(21, 20, 1), relative(22, 20, 1))[1].main.pid == 20
    assert found(tree, shell)[1].main.pid == 20


@needs_table
def test_what_is_no_shell_or_has_threads_stands_for_itself(tree: ProcTree) -> None:
    shells(tree, WAITING)
    child = relative(21, 20, 1)
    assert found(tree, relative(20, PROXY, 1, name="python"), child)[1].main.pid == 20
    assert found(tree, relative(20, PROXY, 1, name="sh", threads=2), child)[1].main.pid == 20


@needs_table
def test_behind_the_shell_of_a_lone_command_its_program_stands_for_rank_0(tree: ProcTree) -> None:
    shells(tree, WAITING)
    (view,) = attribute([relative(20, 1, name="sh"), relative(21, 20)], 20, tree.reader())
    assert (view.top.pid, view.main.pid) == (20, 21)


def test_a_rank_can_be_recorded(tree: ProcTree) -> None:
    (view,) = attribute([relative(20, 1)], 20, tree.reader())
    assert msgspec.json.decode(msgspec.json.encode(view), type=RankView) == view


def test_a_forked_child_takes_no_rank_from_a_parent_whose_environment_could_not_be_read(tree: ProcTree) -> None:
    # met in the midst of its exec the parent had an empty one; its child, parked for good, was then called hung
    child = Relative(ProcessId("node01", 31, 31), 30, "python", Marker(0, Launcher.HYDRA), 1, is_forked=True)
    (lone,) = attribute([relative(30, MPIEXEC), child, relative(MPIEXEC, 1)], MPIEXEC, tree.reader())
    assert (lone.launcher, lone.main.pid) == (Launcher.NONE, MPIEXEC)
    marked = Relative(ProcessId("node01", 30, 30), MPIEXEC, "python", Marker(0, Launcher.HYDRA), 1)
    (rank,) = attribute([marked, child, relative(MPIEXEC, 1)], MPIEXEC, tree.reader())
    assert (rank.main.pid, members(rank)) == (30, {30, 31})
