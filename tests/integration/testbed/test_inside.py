"""A node is a machine of its own: name, address, processes, folders, sshd."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hangprobe.errors.base import UnknownName
from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.health import look
from hangprobe.testbed.layout import HOME, LOGIN, addresses

from .harness import LIMIT_S, REPOSITORY, say, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]
MPIEXEC = Path(sys.executable).with_name("mpiexec")
# How many processes have a word in their environment: as hangprobe looks for those of a job.
LOOK = """
import os, sys
found = 0
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            found += sys.argv[1].encode() in file.read().split(b"\\0")
    except OSError:
        pass
print(found)
"""


def test_every_node_has_its_own_name_and_address(bed: Testbed) -> None:
    for name, address in addresses(3).items():
        assert say(bed, name, "hostname") == name
        assert f"{address}/24" in say(bed, name, "ip", "-brief", "address", "show", "eth0")


def test_jobs_run_as_the_user_who_made_it(bed: Testbed) -> None:
    for name in (LOGIN, "node02"):
        assert say(bed, name, "id", "-u") == str(os.geteuid())
        assert say(bed, name, "sh", "-c", "echo $HOME") == HOME


@pytest.mark.parametrize("place", [LOGIN, "node01"])
def test_a_machine_sees_its_own_processes_only(bed: Testbed, place: str) -> None:
    look_for = [sys.executable, "-I", "-S", "-c", LOOK, "TESTBED_MARK=of-a-sleeper"]
    sleeper = ["env", "TESTBED_MARK=of-a-sleeper", "sh", "-c", "echo up; read word"]
    with subprocess.Popen(bed.command(place, sleeper), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"up\n"
            seen = {other: say(bed, other, *look_for) for other in (LOGIN, *bed.nodes)}
        finally:
            process.communicate(b"end\n", timeout=LIMIT_S)
    assert seen == {other: "1" if other == place else "0" for other in (LOGIN, *bed.nodes)}


def test_login_has_the_table_of_a_machine_of_its_own(bed: Testbed) -> None:
    rows = [row.split() for row in say(bed, LOGIN, "ps", "-e", "-o", "pid=", "-o", "comm=").splitlines()]
    assert rows[0][0] == "1"
    assert "sshd" not in {name for _, name in rows}
    assert "sshd" in say(bed, "node01", "ps", "-e", "-o", "comm=").split()


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm", "/run"])
def test_what_a_node_puts_away_nobody_else_sees(bed: Testbed, folder: str) -> None:
    say(bed, "node01", "touch", f"{folder}/of-node01")
    assert say(bed, "node01", "ls", f"{folder}/of-node01") == f"{folder}/of-node01"
    for other in (LOGIN, "node02"):
        assert "of-node01" not in say(bed, other, "ls", folder)
    assert not Path(folder, "of-node01").exists()


def test_the_home_is_the_same_everywhere(bed: Testbed) -> None:
    say(bed, "node01", "sh", "-c", "echo kept >$HOME/file")
    assert say(bed, "node03", "cat", f"{HOME}/file") == "kept"
    assert (bed.folder / "home/file").read_text() == "kept\n"


def test_nodes_reach_each_other_by_ssh(bed: Testbed) -> None:
    assert say(bed, "node01", "ssh", "node02", "ssh", "node03", "hostname") == "node03"


def test_nothing_outside_can_be_reached(bed: Testbed) -> None:
    routes = say(bed, "node01", "ip", "route").splitlines() + say(bed, LOGIN, "ip", "route").splitlines()
    assert {route.split()[0] for route in routes} == {"10.77.0.0/24"}


@pytest.mark.parametrize("node", [LOGIN, "node02"])
def test_descriptors_status_words_and_folder_are_the_commands_own(bed: Testbed, node: str) -> None:
    assert say(bed, node, "cat", stdin="a line\n") == "a line"
    assert say(bed, node, "pwd") == str(REPOSITORY)
    assert say(bed, node, "printf", "<%s>", "a 'b", "$HOME", "", "*") == "<a 'b><$HOME><><*>"
    status = subprocess.run(bed.command(node, ["sh", "-c", "exit 7"]), timeout=LIMIT_S, check=False).returncode
    assert status == 7


@pytest.mark.parametrize("node", [LOGIN, "node02"])
def test_no_signal_is_ignored_or_blocked_by_the_way(bed: Testbed, node: str) -> None:
    rows = dict(line.split(":\t") for line in say(bed, node, "grep", "^Sig[BI]", "/proc/self/status").splitlines())
    assert {int(mask, 16) for mask in rows.values()} == {0}


def test_a_command_on_login_ends_with_what_started_it(bed: Testbed) -> None:
    command = bed.command(LOGIN, ["sh", "-c", "echo $$; exec sleep 61"])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sleeper:
        assert sleeper.stdout is not None
        pid = sleeper.stdout.readline().strip()
        sleeper.kill()
    # a zombie has ended: if a test before this one has made pytest a subreaper, nobody reaps it until the testbed goes
    script = f"grep -q '^State:.[^ZX]' /proc/{pid}/status 2>/dev/null && echo there || echo gone"
    wait_until(lambda: say(bed, LOGIN, "sh", "-c", script) == "gone", "the command to end")


def test_an_mpi_job_runs_over_ssh(bed: Testbed) -> None:
    words = [str(MPIEXEC), "-hosts", "node01,node02,node03", "-n", "3", "hostname"]
    assert sorted(say(bed, LOGIN, *words).split()) == ["node01", "node02", "node03"]


def test_the_ranks_of_a_job_talk_over_the_network(bed: Testbed) -> None:
    code = "from mpi4py import MPI as m; w = m.COMM_WORLD; n = w.gather(m.Get_processor_name()); w.rank or print(*n)"
    words = [str(MPIEXEC), "-hosts", "node01,node02,node03", "-n", "6", "-ppn", "2", sys.executable, "-c", code]
    assert say(bed, LOGIN, *words).split() == [f"node0{number}" for number in (1, 1, 2, 2, 3, 3)]


def test_login_offers_the_nodes_for_jobs_unless_the_user_has_named_some(
    bed: Testbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ("sh", "-c", "echo ${HANGPROBE_HOSTS-none}")
    monkeypatch.delenv("HANGPROBE_HOSTS", raising=False)
    assert say(bed, LOGIN, *script) == "node[01-03]"
    assert say(bed, "node01", *script) == "none"
    monkeypatch.setenv("HANGPROBE_HOSTS", "node02")
    assert say(bed, LOGIN, *script) == "node02"


def test_an_unknown_node_is_named_with_those_that_there_are(bed: Testbed) -> None:
    with pytest.raises(UnknownName, match="node09"):
        bed.command("node09", ["true"])


def test_a_node_that_is_cut_off_does_not_answer_and_the_others_do(bed: Testbed) -> None:
    links = (bed.administer(["ip", "link", "set", "v3", state]) for state in ("down", "up"))
    subprocess.run(next(links), check=True, timeout=LIMIT_S)
    try:
        assert [node.has_sshd for node in look(bed).nodes] == [True, True, False]
    finally:
        subprocess.run(next(links), check=True, timeout=LIMIT_S)


def test_health_is_a_document_of_one_line(bed: Testbed) -> None:
    text = look(bed).document()
    document = json.loads(text)
    assert text.count("\n") == 1
    assert (document["schema"], document["owner_pid"]) == ("hangprobe.testbed/1", bed.state.owner_pid)
    assert [node["name"] for node in document["nodes"]] == list(bed.nodes)
