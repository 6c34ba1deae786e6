"""Which launchers' commands run on a node, at which ports they are found, and what they feed."""

from __future__ import annotations

import sys

import pytest

from hangprobe.observe import starters as module
from hangprobe.observe.starters import starters
from hangprobe.starter import Starter

from .opened import opened
from .tree import HOST, ProcTree

MPIEXEC, OTHER = 100, 200
COMMAND = ("/opt/mpi/bin/mpiexec", "-n", "4", "python", "app.py")
OTHERS: set[int] = set()


@pytest.fixture(autouse=True)
def whose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every process be this user's, but for `OTHERS`."""
    OTHERS.clear()
    monkeypatch.setattr(module, "is_own", lambda pid: pid not in OTHERS)


def shown(port: int) -> str:
    own = int.from_bytes(bytes([127, 0, 0, 1]), sys.byteorder)
    return f"{own:08X}:{port:04X}"


def add(tree: ProcTree, pid: int = MPIEXEC, *command: str, stdin: str = "/dev/null", **more: str) -> None:
    tree.add(
        pid,
        comm="mpiexec",
        command=command or COMMAND,
        links={0: opened(stdin), 5: opened("socket:[7001]"), 6: opened("socket:[7002]")},
        environment=more,
    )
    lines = [
        f"0: {shown(45813)} {shown(0)} 0A 0:0 0:0 0 0 0 7001",
        f"1: {shown(33007)} {shown(80)} 01 0:0 0:0 0 0 0 7002",
        f"2: {shown(22)} {shown(0)} 0A 0:0 0:0 0 0 0 7003",
    ]
    tree.write(f"{pid}/net/tcp", "head\n" + "\n".join(lines) + "\n")


def found(tree: ProcTree) -> tuple[Starter, ...]:
    return starters(tree.reader(), HOST)


def test_a_launchers_command_is_told_with_its_ports_and_its_standard_input(tree: ProcTree) -> None:
    add(tree)
    assert found(tree) == (Starter(tree.id(MPIEXEC), (45813,), ("127.0.0.1:33007",), False, "/dev/null", COMMAND),)


@pytest.mark.parametrize("command", ["/usr/bin/mpirun", "mpiexec.hydra", "/opt/ompi/bin/prterun", "mpiexec"])
def test_each_launchers_command_is_known_by_its_name(tree: ProcTree, command: str) -> None:
    add(tree, MPIEXEC, command, "-n", "2", "app")
    assert [starter.command[0] for starter in found(tree)] == [command]


@pytest.mark.parametrize("command", ["hydra_pmi_proxy", "python", "/home/mpiexec/app", "my-mpiexec", "prted", ""])
def test_other_programs_are_no_starters(tree: ProcTree, command: str) -> None:
    add(tree, MPIEXEC, command, "mpiexec")
    assert found(tree) == ()


def test_another_users_command_is_not_told(tree: ProcTree) -> None:
    add(tree)
    add(tree, OTHER)
    OTHERS.add(OTHER)
    assert [starter.process.pid for starter in found(tree)] == [MPIEXEC]


@pytest.mark.parametrize(
    ("command", "environment", "feeds"),
    [
        (COMMAND, {}, False),
        (("mpiexec", "-s", "all", "-n", "4", "app"), {}, True),
        (COMMAND, {"HYDRA_STDIN": "all"}, True),
        (COMMAND, {"I_MPI_HYDRA_STDIN": "all"}, True),
        (("mpiexec", "-n", "4", "app", "-s", "all"), {}, False),
    ],
)
def test_a_command_that_may_feed_other_ranks_says_so(
    tree: ProcTree, command: tuple[str, ...], environment: dict[str, str], feeds: bool
) -> None:
    add(tree, MPIEXEC, *command, **environment)
    assert [starter.feeds_others for starter in found(tree)] == [feeds]


def test_what_may_not_be_read_of_a_command_is_left_open(tree: ProcTree) -> None:
    add(tree)
    tree.refuse(f"{MPIEXEC}/fd")
    assert found(tree) == (Starter(tree.id(MPIEXEC), (), (), False, None, COMMAND),)


def test_a_command_that_has_gone_is_not_told(tree: ProcTree) -> None:
    add(tree)
    tree.refuse(str(MPIEXEC), "gone")
    assert found(tree) == ()
