"""Which ranks have a standard input that nobody ever feeds, by what their launcher is and how it was called."""

from __future__ import annotations

import pytest

from hangprobe.model import Launcher, RankView
from hangprobe.observe.feeding import chooses_ranks, endless_stdin

from .opened import opened, reads, unix_socket
from .tree import ProcTree

SHELL, STARTER, PROXY, RANK = 50, 100, 200, 300
COMMAND = ("/opt/mpi/bin/mpiexec", "-n", "4", "python", "app.py")


def job(tree: ProcTree, *command: str, stdin: str = "pipe:[7]", environment: dict[str, str] | None = None) -> None:
    tree.add(SHELL, comm="bash", command=["bash"])
    tree.add(STARTER, parent=SHELL, comm="mpiexec", command=command or COMMAND, environment=environment)
    tree.add(PROXY, parent=STARTER, comm="hydra_pmi_proxy", command=["hydra_pmi_proxy"])
    tree.add(RANK, parent=PROXY, links={0: opened(stdin)})


def rank(tree: ProcTree, number: int = 1, launcher: Launcher = Launcher.HYDRA) -> RankView:
    return RankView(number, launcher, tree.id(RANK), tree.id(RANK), (tree.id(RANK),))


def is_endless(tree: ProcTree, number: int = 1, launcher: Launcher = Launcher.HYDRA) -> bool:
    return endless_stdin(tree.scanned(), rank(tree, number, launcher)) is not None


@pytest.mark.parametrize("launcher", [Launcher.HYDRA, Launcher.INTEL])
@pytest.mark.parametrize("stdin", ["pipe:[7]", "socket:[7]"])
def test_hydra_never_feeds_the_ranks_above_zero(tree: ProcTree, launcher: Launcher, stdin: str) -> None:
    job(tree, stdin=stdin)
    found = endless_stdin(tree.scanned(), rank(tree, launcher=launcher))
    assert found is not None
    assert (found.object, [each.pid for each in found.ancestors]) == (stdin, [PROXY, STARTER, SHELL])
    assert "rank 0 only" in found.says


def test_rank_zero_is_fed(tree: ProcTree) -> None:
    job(tree)
    assert not is_endless(tree, number=0)


def openmpi(tree: ProcTree, stdin: str, *command: str, own: str = "pipe:[7]") -> bool:
    """Tell whether a rank of Open MPI has an endless standard input, if mpiexec itself has `stdin`."""
    tree.add(SHELL, comm="bash", command=["bash"])
    argv = command or ("/opt/mpi/bin/prterun", "-n", "4", "python", "app.py")
    tree.add(STARTER, parent=SHELL, comm="prterun", command=argv, links={0: opened(stdin)})
    tree.add(RANK, parent=STARTER, links={0: opened(own)})
    return is_endless(tree, 0, Launcher.OPENMPI)


def test_open_mpi_that_reads_dev_null_feeds_nobody(tree: ProcTree) -> None:
    assert openmpi(tree, "/dev/null")


@pytest.mark.parametrize("stdin", ["pipe:[9]", "/dev/pts/3", "socket:[9]", "/scratch/input", "/dev/nullable"])
def test_open_mpi_may_yet_be_fed_itself(tree: ProcTree, stdin: str) -> None:
    assert not openmpi(tree, stdin)  # slow | mpiexec -n 4 reader


def test_rank_of_open_mpi_that_has_dev_null_itself_is_not_meant(tree: ProcTree) -> None:
    assert not openmpi(tree, "/dev/null", own="/dev/null")


def test_open_mpi_daemon_whose_launcher_is_elsewhere_says_nothing(tree: ProcTree) -> None:
    assert not openmpi(tree, "/dev/null", "/opt/mpi/bin/prted", "--prtemca", "ess", "env")


@pytest.mark.parametrize("launcher", sorted(set(Launcher) - {Launcher.HYDRA, Launcher.INTEL, Launcher.OPENMPI}))
def test_of_other_launchers_nothing_is_said(tree: ProcTree, launcher: Launcher) -> None:
    job(tree)
    assert not is_endless(tree, launcher=launcher)


@pytest.mark.parametrize("stdin", ["/dev/null", "/scratch/input", "/dev/pts/3", "anon_inode:[eventfd]"])
def test_a_standard_input_that_is_no_pipe_or_socket_ends(tree: ProcTree, stdin: str) -> None:
    job(tree, stdin=stdin)
    assert not is_endless(tree)


def test_a_standard_input_that_cannot_be_read_is_not_told(tree: ProcTree) -> None:
    job(tree)
    tree.refuse(f"{RANK}/task/{RANK}/fd")
    tree.refuse(f"{RANK}/fd")
    assert not is_endless(tree)


def test_without_a_launcher_above_it_nothing_is_said(tree: ProcTree) -> None:
    tree.add(RANK, links={0: reads(7), 1: unix_socket(8)})
    assert not is_endless(tree)


@pytest.mark.parametrize("option", ["-s", "-stdin", "--stdin"])
def test_a_command_that_says_who_is_fed_is_believed(tree: ProcTree, option: str) -> None:
    job(tree, "mpiexec", option, "all", "-n", "4", "python")
    assert not is_endless(tree)


@pytest.mark.parametrize("name", ["HYDRA_STDIN", "I_MPI_HYDRA_STDIN", "HYDRA_STDIN_RANKS"])
def test_an_environment_that_says_who_is_fed_is_believed(tree: ProcTree, name: str) -> None:
    job(tree, environment={name: "all"})
    assert not is_endless(tree)


@pytest.mark.parametrize("name", ["HYDRA_DEBUG", "STDIN", "MY_STDIN"])
def test_other_variables_say_nothing(tree: ProcTree, name: str) -> None:
    job(tree, environment={name: "1"})
    assert is_endless(tree)


@pytest.mark.parametrize(
    "command",
    [
        "mpiexec -n 4 python app.py -s",
        "mpiexec -genv A -s -n 2 app -s all",
        "mpiexec -l -ppn 2 app --stdin",
        "mpiexec -l -ppn=2 -rankmap 0,0 app --stdin",
        "mpiexec -n 4",
        "mpiexec",
    ],
)
def test_options_of_the_program_are_not_the_launchers(command: str) -> None:
    assert not chooses_ranks(command.split())


@pytest.mark.parametrize(
    "command",
    [
        "mpiexec -n 4 -s all app",
        "mpiexec -l -stdin all app",
        "mpiexec --stdin 0,1 app",
        "mpiexec -n 4 -s=all app",
        "mpiexec -ppn=2 -s all app",
        "mpiexec -unknown -s=all app",
        "mpiexec -unknown x -s all app",
        "mpiexec -unknown app -s",  # may be the program's own: nothing is said then
        "mpiexec -n 1 app : -n 1 -s all app",
    ],
)
def test_options_that_may_name_the_fed_ranks_are_found(command: str) -> None:
    assert chooses_ranks(command.split())
