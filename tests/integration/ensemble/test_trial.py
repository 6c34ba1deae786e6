"""Trials as a campaign makes them: real Parsl, three nodes, real launchers; who hangs, why, and what is left."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hangprobe.ensemble.records import Cell, Outcome, Planned, Settings, TaskState, Trial
from hangprobe.launch.environments import of_mpi
from hangprobe.model import Tier
from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.layout import LOGIN
from scripts.benchmarks.bed import Bed

from .one_trial import Words

pytestmark = [pytest.mark.integration, pytest.mark.timeout(110, method="thread"), pytest.mark.xdist_group("ensemble")]
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bed, Path]]:
    folder = tmp_path_factory.mktemp("trials")
    with Testbed.up(3, name=folder.parent.name + "-trials", shares=(folder, Path.cwd())) as testbed:
        yield Bed.of(testbed), folder


def run(bed: tuple[Bed, Path], cell: Cell, stall_after_s: float = 10.0) -> Trial:
    """Run a trial on the login node, and see that nothing of it is left on any node."""
    inside, shared = bed
    folder = shared / cell.launcher / cell.workload.replace(":", "-") / cell.mpi
    folder.mkdir(parents=True)
    mpiexec = Path(of_mpi(cell.mpi).flavour.path)
    words = Words(
        Planned(1, 1, cell),
        Settings(stall_after_s=stall_after_s),
        inside.testbed.nodes,
        {cell.mpi: str(mpiexec.parent)},
    )
    (shared / "words.json").write_bytes(msgspec.json.encode(words))
    paths = (str(Path.cwd()), str(HERE))
    command = ("env", f"PYTHONPATH={':'.join(paths)}", sys.executable, str(HERE / "one_trial.py"))
    line = inside.testbed.command(LOGIN, [*command, str(folder), str(shared / "words.json")], cwd=HERE)
    done = subprocess.run(line, capture_output=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert inside.leftovers() == []
    return msgspec.json.decode(done.stdout, type=Trial)


@pytest.mark.parametrize("mpi", ["mpich", "impi"])
def test_a_task_whose_child_reads_standard_input_hangs_on_every_node_but_the_first(
    bed: tuple[Bed, Path], mpi: str
) -> None:
    trial = run(bed, Cell("mpiexec", "stdin-child", mpi), stall_after_s=4.0)
    assert trial.outcome is Outcome.HUNG, trial.why
    assert Counter((task.host, task.state) for task in trial.tasks if task.state is TaskState.HUNG) == {
        ("node02", TaskState.HUNG): 2,
        ("node03", TaskState.HUNG): 2,
    }
    assert {task.state for task in trial.tasks if task.host == "node01"} == {TaskState.DONE}
    (finding,) = trial.findings
    assert (finding.mechanism, finding.tier, finding.ranks) == ("launcher-stdin", Tier.LEAK, "2-5")
    assert finding.says.startswith("workers 2-5: ")
    assert [manager.host for manager in trial.managers] == ["node01", "node02", "node03"]
    assert {method for manager in trial.managers for method in manager.start_methods} == {"spawn"}
    assert [each.ranks for each in trial.contexts] == ["0", "1-2"]


def test_a_lock_that_is_held_at_a_fork_in_a_task_is_proven(bed: tuple[Bed, Path]) -> None:
    trial = run(bed, Cell("mpiexec", "thread-lock"))
    assert trial.outcome is Outcome.HUNG, trial.why
    (finding,) = trial.findings
    assert (finding.mechanism, finding.tier, finding.ranks) == ("fork-orphaned-lock", Tier.PROVEN, "0-5")


def test_healthy_tasks_that_look_hung_are_left_to_their_end(bed: tuple[Bed, Path]) -> None:
    trial = run(bed, Cell("mpiexec", "healthy_tasks:task"), stall_after_s=2.0)
    assert trial.outcome is Outcome.COMPLETED, trial.why
    assert [each.says for each in trial.findings if each.tier in {Tier.PROVEN, Tier.LEAK}] == []
    assert trial.throughput is not None
