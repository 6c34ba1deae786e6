"""Commands on many nodes: what is run, who is named once, and that what does not answer is told and not waited for."""

from __future__ import annotations

import os
import shlex
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ClusterShell.Topology import TopologyParser
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.agent.hosts import unfolded
from hangprobe.agent.look import fanout
from hangprobe.agent.look.fanout import Answers, by_fork, by_pbsdsh, by_srun, pbsdsh_command, srun_command
from hangprobe.agent.look.nodereport import NodeReport, pack, unpack

COMMAND = ("/opt/env/bin/python", "-m", "hangprobe.agent.look.node", "--deadline", "14")
HOSTS = ("node01", "node02", "node03")
SOON_S = 30.0
"""Far less than the stand-ins below would sleep, far more than a slow machine needs."""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder at the front of the path."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    began_s = time.monotonic()
    yield folder
    assert time.monotonic() - began_s < SOON_S


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


# srun

REPORTS = {host: pack(NodeReport(host, ())) for host in HOSTS}


def printing(folder: Path, *hosts: str) -> str:
    """Return a script that prints the reports of some nodes, mixed as srun --label mixes them."""
    lines = [b"%d: %s\n" % (n, line) for n, host in enumerate(hosts) for line in REPORTS[host].splitlines()]
    (folder / "reports").write_bytes(b"".join(lines[::-1]))
    return f"cat {folder}/reports"


def test_srun_runs_one_task_a_node_beside_what_runs_there() -> None:
    assert shlex.join(srun_command("7", HOSTS, COMMAND)) == (
        "srun --overlap --jobid=7 --nodes=3 --ntasks=3 --ntasks-per-node=1 --nodelist=node01,node02,node03 "
        "--input=none --kill-on-bad-exit=0 --mpi=none --label "
        "/opt/env/bin/python -m hangprobe.agent.look.node --deadline 14"
    )


def heard(answers: Answers) -> dict[str, object]:
    """Return the answers, each report as it was before it was packed."""
    return {host: unpack(answer) if isinstance(answer, bytes) else answer for host, answer in answers.items()}


def test_of_three_nodes_those_that_answered_are_heard_and_the_one_that_hangs_is_named(tools: Path) -> None:
    tool(tools, "srun", f"{printing(tools, 'node01', 'node03')}; sleep 60")
    assert heard(by_srun("7", HOSTS, COMMAND, 0.5)) == {
        "node01": NodeReport("node01", ()),
        "node02": "did not answer within 0.5 s",
        "node03": NodeReport("node03", ()),
    }


def test_a_node_is_known_with_its_domain_and_without(tools: Path) -> None:
    tool(tools, "srun", printing(tools, "node01"))
    assert heard(by_srun("7", ["node01.site.example"], COMMAND, SOON_S)) == {
        "node01.site.example": NodeReport("node01", ())
    }


def test_a_step_that_cannot_be_made_is_quoted_for_every_node(tools: Path) -> None:
    tool(tools, "srun", "echo 'srun: queued' ; echo 'srun: error: Invalid job id specified' >&2; exit 1")
    answers = by_srun("7", HOSTS, COMMAND, SOON_S)
    assert set(answers.values()) == {"srun: srun: error: Invalid job id specified"}


def test_an_srun_that_ignores_its_end_is_ended_all_the_same(tools: Path) -> None:
    tool(tools, "srun", "trap '' TERM; while :; do sleep 60; done")
    assert by_srun("7", HOSTS[:1], COMMAND, 0.3) == {"node01": "did not answer within 0.3 s"}


def test_a_child_of_srun_that_keeps_its_output_open_is_not_waited_for(tools: Path) -> None:
    tool(tools, "srun", f"{printing(tools, 'node01')}; sleep 60 & sleep 60; wait")
    assert heard(by_srun("7", HOSTS[:1], COMMAND, 0.5)) == {"node01": NodeReport("node01", ())}


# pbsdsh


def test_pbsdsh_runs_a_shell_on_each_node_which_names_its_file() -> None:
    assert pbsdsh_command(COMMAND, Path("/shared/a b")) == (
        "pbsdsh", "-u", "--", "/bin/sh", "-c",
        "/opt/env/bin/python -m hangprobe.agent.look.node --deadline 14 > '/shared/a b'/\"$(hostname)\".tmp && "
        "mv '/shared/a b'/\"$(hostname)\".tmp '/shared/a b'/\"$(hostname)\".report",
    )  # fmt: skip


def pbsdsh(tools: Path, *names: str, behind: str = "") -> None:
    """Put a pbsdsh there that runs its command once for each node, as if on it."""
    runs = "; ".join(f'NODE={name} "$@"' for name in names)
    tool(tools, "hostname", 'echo "$NODE"')
    tool(tools, "pbsdsh", f"shift 2; {runs}; {behind}")


def test_each_nodes_report_is_read_from_its_own_file(tools: Path, tmp_path: Path) -> None:
    pbsdsh(tools, "node01", "node02.site.example")
    answers = by_pbsdsh(("node01", "node02", "node03.site.example"), ("echo", "a", "b'c"), SOON_S, tmp_path)
    assert answers == {
        "node01": b"a b'c\n",
        "node02": b"a b'c\n",
        "node03.site.example": "pbsdsh: brought no answer",
    }


def test_a_report_that_was_not_finished_is_none(tools: Path, tmp_path: Path) -> None:
    pbsdsh(tools, "node01")
    assert by_pbsdsh(("node01",), ("/bin/sh", "-c", "echo half; exit 3"), SOON_S, tmp_path) == {
        "node01": "pbsdsh: brought no answer"
    }


def test_a_pbsdsh_that_hangs_is_ended_and_what_came_is_heard(tools: Path, tmp_path: Path) -> None:
    pbsdsh(tools, "node01", behind="sleep 60")
    assert by_pbsdsh(("node01", "node02"), ("echo", "one"), 1.0, tmp_path) == {
        "node01": b"one\n",
        "node02": "did not answer within 1 s",
    }


def test_what_pbsdsh_complains_of_is_told(tools: Path, tmp_path: Path) -> None:
    tool(tools, "pbsdsh", "echo 'pbsdsh: spawn failed: 15018' >&2; exit 1")
    assert by_pbsdsh(("node01",), COMMAND, SOON_S, tmp_path) == {"node01": "pbsdsh: pbsdsh: spawn failed: 15018"}


# this very node


def test_a_command_on_this_node_answers_with_what_it_prints() -> None:
    assert by_fork((sys.executable, "-c", "print('report')"), SOON_S) == b"report\n"


def test_a_command_on_this_node_that_sleeps_is_not_waited_for() -> None:
    began_s = time.monotonic()
    assert by_fork(("sleep", "60"), 0.3) == "did not answer within 0.3 s"
    assert time.monotonic() - began_s < SOON_S


@pytest.mark.parametrize(
    ("script", "answer"),
    [("print('No module named x', file=sys.stderr); sys.exit(1)", "No module named x"), ("", "brought no answer")],
)
def test_a_command_that_prints_nothing_is_told_by_its_complaint(script: str, answer: str) -> None:
    assert by_fork((sys.executable, "-c", f"import sys; {script}"), SOON_S) == answer


def test_a_command_on_this_node_reads_no_standard_input() -> None:
    assert by_fork((sys.executable, "-c", "import sys; print(repr(sys.stdin.read()))"), SOON_S) == b"''\n"


# many nodes: the tree of gateways


@given(st.integers(2, 400))
def test_the_topology_names_every_host_once_and_each_gateway_reaches_its_share(count: int) -> None:
    names = [f"node{n:03}" for n in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        path = fanout._topology(names, Path(folder))
        routes = [line.split(": ") for line in Path(path).read_text().splitlines()[1:]]
    reached = [name for _, targets in routes for name in unfolded(targets)]
    assert sorted(reached) == sorted(names)
    gateways = set(unfolded(routes[0][1]))
    assert {source for source, _ in routes[1:]} <= gateways
    sizes = [len(unfolded(targets)) for _, targets in routes[1:]]
    assert all(size <= count // len(gateways) + 1 for size in sizes)


@pytest.mark.parametrize("count", [2, 3, 128, 1000])
def test_clustershell_reads_the_topology(tmp_path: Path, count: int) -> None:
    path = fanout._topology([f"node{n:03}" for n in range(count)], tmp_path)
    parsed = TopologyParser(path)
    import socket

    tree = parsed.tree(socket.gethostname().partition(".")[0])
    assert {str(name) for group in tree for name in group.nodeset} >= {f"node{n:03}" for n in range(count)}


def test_the_environment_of_gateways_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTERSHELL_GW_LOG_DIR", "/var/log/mine")
    monkeypatch.delenv("CLUSTERSHELL_GW_PYTHON_EXECUTABLE", raising=False)
    before = dict(os.environ)
    with fanout._gateway_python():
        assert os.environ["CLUSTERSHELL_GW_LOG_DIR"] == "/var/log/mine"
        assert os.environ["CLUSTERSHELL_GW_PYTHON_EXECUTABLE"] == sys.executable
    assert dict(os.environ) == before
