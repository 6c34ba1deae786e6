"""Jobs on several real nodes (of a testbed) under `run` and `watch`: found on all nodes, and gone from all of them."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from hangprobe.launch.environments import of_mpi
from hangprobe.launch.mpijob import MpiJob
from hangprobe.launch.proctree import descendants, list_processes
from hangprobe.model import Tier, Verdict
from hangprobe.ranksets import unfold
from hangprobe.record import decode
from hangprobe.result import Result
from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.layout import LOGIN
from scripts.benchmarks import faults_job
from scripts.benchmarks.bed import Bed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(100, method="thread")]

LIMIT_S = 60.0
LEAVE_S = 20.0
SEEN_S = "4"
"""How long a job must last to be seen on every node: 2 s were too few beside other tests."""
HANGPROBE = (sys.executable, "-m", "hangprobe")
OBSERVER, DEPUTY = "hangprobe.agent.observer", "agent/wrapping/deputy.py"


@dataclass
class Nodes:
    """Three nodes and a folder that they share."""

    bed: Bed
    folder: Path

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command on the login node."""
        variables = {**os.environ, "HANGPROBE_MARKS": str(self.folder)}
        with (self.folder / "said").open("wb") as said:
            return subprocess.Popen(
                self.bed.testbed.command(LOGIN, words),
                env=variables,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def watch(self, mpi: str, *command: str, options: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start a command as six ranks under watch."""
        environment = of_mpi(mpi)
        forward = ("HANGPROBE_MARKS", "HANGPROBE_JOB")
        job = MpiJob(6, (environment.python, *command), hosts=self.bed.testbed.nodes, ranks_per_node=2, forward=forward)
        line = environment.flavour.command_line(job)
        variables = (f"{name}={value}" for name, value in line.environment.items())
        out = ("--out", str(self.folder / "out"))
        return self.start("env", *variables, *HANGPROBE, "watch", *out, *options, "--", *line.arguments)

    def status(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for the command."""
        try:
            return process.wait(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(self.said()) from None

    def result(self) -> Result:
        """Return what was said of the job."""
        path = self.folder / "out/result.json"
        assert path.exists(), self.said()
        return decode(path.read_bytes())

    def said(self) -> str:
        """Return what the command printed."""
        return (self.folder / "said").read_text(errors="replace")

    def commands(self) -> dict[int, str]:
        """Return every process of the testbed, and of what was started on its login node, with its command line."""
        found = {}
        for pid in descendants(list_processes(), {self.bed.testbed.state.owner_pid, os.getpid()}):
            try:
                found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
        return found

    def have_begun(self) -> bool:
        """Tell whether all ranks have marked their start."""
        return len(list(self.folder.glob("rank-*.marks"))) == 6

    def those_with(self, words: str) -> list[int]:
        """Return the processes that have these words on their command line."""
        return [pid for pid, command in self.commands().items() if words in command]


def until(is_so: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.02)


def unread(result: Result) -> list[str]:
    """Return what could not be read, but for what a busy machine reads too late: that says so, and hides no rank."""
    late = "no answer within "
    return [f"{each.what}: {each.why}" for each in result.unreadable if not each.why.startswith(late)]


@pytest.fixture(scope="module")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    shared = tmp_path_factory.getbasetemp()
    with Testbed.up(3, f"observed-{os.getpid()}", shares=(shared, Path.cwd(), Path(sys.prefix))) as bed:
        yield bed


@pytest.fixture
def nodes(testbed: Testbed, tmp_path: Path) -> Iterator[Nodes]:
    found = Nodes(Bed.of(testbed), tmp_path)
    yield found
    left = found.bed.leftovers(LEAVE_S)
    assert not left, (left, found.said())


@pytest.mark.parametrize(
    ("mpi", "program", "hung", "tier"),
    [
        ("mpich", "bcast_under_lock", {1, 2, 3, 4, 5}, Tier.PROVEN),
        ("openmpi", "file_lock", {1, 3, 5}, Tier.LEAK),
        ("impi", "launcher_stdin", {1, 2, 3, 4, 5}, Tier.LEAK),
    ],
)
def test_run_finds_a_hang_on_every_node_and_ends_it_there(
    nodes: Nodes, mpi: str, program: str, hung: set[int], tier: Tier
) -> None:
    size = ("--nodes", "3", "--ranks", "6", "--mpi", mpi)
    ends = ("--grace", "2", "--stall-after", "2", "--out", str(nodes.folder / "out"))  # nodes need not find it at once
    assert nodes.status(nodes.start(*HANGPROBE, "run", program, *size, *ends)) == 124, nodes.said()
    result = nodes.result()
    held = [finding for finding in result.findings if finding.tier is tier]
    assert (result.verdict, result.tier, result.size) == (Verdict.HANG, tier, 6)
    assert set().union(*(unfold(finding.ranks) for finding in held)) == hung
    assert [rank.host for rank in result.ranks] == [f"node{1 + rank // 2:02}" for rank in range(6)]
    assert unread(result) == []
    assert not any("/bin/sh" in word for word in result.command)


@pytest.mark.parametrize(("mpi", "status"), [("mpich", 7), ("openmpi", 7), ("impi", 0)])
def test_a_job_that_ends_by_itself_keeps_its_status_and_was_seen_on_every_node(
    nodes: Nodes, mpi: str, status: int
) -> None:
    assert nodes.status(nodes.watch(mpi, faults_job.__file__, SEEN_S, str(status))) == status, nodes.said()
    result = nodes.result()
    assert (result.verdict, result.exit_status) == (Verdict.FAILED if status else Verdict.OK, status)
    assert [rank.host for rank in result.ranks] == [f"node{1 + rank // 2:02}" for rank in range(6)]
    assert (result.findings, unread(result)) == ((), [])


def test_a_job_that_ends_at_once_is_not_observed_and_leaves_nothing(nodes: Nodes) -> None:
    assert nodes.status(nodes.watch("mpich", "-c", "raise SystemExit(3)")) == 3
    assert nodes.result().exit_status == 3


def test_kill_of_hangprobe_ends_the_job_on_every_node(nodes: Nodes) -> None:
    process = nodes.watch("mpich", faults_job.__file__, "60", "0")
    until(lambda: len(nodes.those_with(OBSERVER)) == 3, nodes.said())
    until(nodes.have_begun, nodes.said())
    heads = [pid for pid, command in nodes.commands().items() if command.startswith(f"{sys.executable} -m hangprobe")]
    for pid in heads:
        os.kill(pid, signal.SIGKILL)
    assert heads
    assert nodes.status(process) != 0


def test_the_deputy_takes_the_place_of_an_observer_that_is_killed(nodes: Nodes) -> None:
    process = nodes.watch("mpich", faults_job.__file__, "6", "7")
    until(lambda: len(nodes.those_with(OBSERVER)) == 3, nodes.said())
    until(lambda: len(nodes.those_with(DEPUTY)) == 3, nodes.said())
    killed = nodes.those_with(OBSERVER)[0]
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(nodes.those_with(OBSERVER)) == 3 and killed not in nodes.those_with(OBSERVER), nodes.said())
    assert nodes.status(process) == 7
    assert len(nodes.result().ranks) == 6


def test_a_cut_link_changes_nothing_for_the_job(nodes: Nodes) -> None:
    process = nodes.watch("mpich", faults_job.__file__, "3", "7")
    until(lambda: len(nodes.those_with(OBSERVER)) == 3, nodes.said())
    until(nodes.have_begun, nodes.said())
    for state in ("down", "up"):
        subprocess.run(nodes.bed.testbed.administer(["ip", "link", "set", "v2", state]), check=True, timeout=10)
        time.sleep(1.0)  # for this long the node is away
    assert nodes.status(process) == 7
    assert len(nodes.result().ranks) == 6


def test_a_command_with_a_place_for_the_wrapper_is_observed(nodes: Nodes) -> None:
    """By plain ssh, with no launcher that anybody would recognise."""
    application = "{probe} " + shlex.join((sys.executable, "-c", "import sys; sys.exit(5)"))
    watch = (*HANGPROBE, "watch", "--out", str(nodes.folder / "out"), "--")
    assert nodes.status(nodes.start(*watch, "ssh", "node02", application)) == 5


def test_this_node_alone(nodes: Nodes) -> None:
    process = nodes.watch("mpich", faults_job.__file__, "2", "0", options=("--this-node",))
    until(nodes.have_begun, nodes.said())
    assert not nodes.those_with("hangprobe-rank")
    assert nodes.status(process) == 0
    assert not nodes.those_with(OBSERVER)


def test_a_port_scan_and_ten_thousand_hostile_messages_change_no_verdict(nodes: Nodes) -> None:
    folder = nodes.folder / "out"
    size = ("--nodes", "3", "--ranks", "6", "--out", str(folder))
    process = nodes.start(*HANGPROBE, "run", "bcast_under_lock", *size, "--grace", "12")
    until(lambda: len(nodes.those_with(OBSERVER)) == 3, nodes.said())
    (link,) = folder.glob(".hangprobe-*")
    attack = (sys.executable, "-m", "scripts.benchmarks.hostile_job", str(link), "10000")
    done = subprocess.run(
        nodes.bed.testbed.command(LOGIN, attack), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert process.poll() is None, "the attack came too late"
    assert nodes.status(process) == 124, nodes.said()
    result = nodes.result()
    (found,) = (finding for finding in result.findings if finding.tier is Tier.PROVEN)
    assert (result.verdict, found.mechanism, found.ranks) == (Verdict.HANG, "fork-orphaned-lock", "1-5")
    assert [rank.host for rank in result.ranks] == [f"node{1 + rank // 2:02}" for rank in range(6)]
