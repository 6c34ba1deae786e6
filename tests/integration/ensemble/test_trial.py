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
TASKS = 12
"""Three nodes, two workers each, two tasks a worker."""


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bed, Path]]:
    folder = tmp_path_factory.mktemp("trials")
    with Testbed.up(3, name=folder.parent.name + "-trials", shares=(folder, Path.cwd())) as testbed:
        yield Bed.of(testbed), folder


def run(bed: tuple[Bed, Path], cell: Cell, stall_after_s: float, nodes: int = 3) -> Trial:
    """Run a trial on the login node, and see that nothing of it is left on any node."""
    inside, shared = bed
    folder = shared / cell.launcher / cell.workload.replace(":", "-") / cell.mpi
    folder.mkdir(parents=True)
    mpiexec = Path(of_mpi(cell.mpi).flavour.path)
    words = Words(
        Planned(1, 1, cell),
        Settings(nodes=nodes, stall_after_s=stall_after_s),
        inside.testbed.nodes[:nodes],
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


@pytest.mark.parametrize(("mpi", "others"), [("mpich", ("node02", "node03")), ("impi", ("node02",))])
def test_a_task_whose_child_reads_standard_input_hangs_on_every_node_but_the_first(
    bed: tuple[Bed, Path], mpi: str, others: tuple[str, ...]
) -> None:
    trial = run(bed, Cell("mpiexec", "stdin-child", mpi), stall_after_s=3.0, nodes=1 + len(others))
    assert trial.outcome is Outcome.HUNG, trial.why
    hung = Counter(task.host for task in trial.tasks if task.state is TaskState.HUNG)
    assert hung == dict.fromkeys(others, 2)
    assert {task.state for task in trial.tasks if task.host == "node01"} == {TaskState.DONE}
    (finding,) = trial.findings
    ranks, managers = ("2-5", "1-2") if len(others) == 2 else ("2-3", "1")
    assert (finding.mechanism, finding.tier, finding.ranks) == ("launcher-stdin", Tier.LEAK, ranks)
    assert finding.says.startswith(f"workers {ranks}: ")
    assert [manager.host for manager in trial.managers] == ["node01", *others]
    assert {method for manager in trial.managers for method in manager.start_methods} == {"spawn"}
    assert [each.ranks for each in trial.contexts] == ["0", managers]


def test_healthy_tasks_that_look_hung_are_left_to_their_end(bed: tuple[Bed, Path]) -> None:
    trial = run(bed, Cell("mpiexec", "healthy_tasks:task"), stall_after_s=2.0)
    assert trial.outcome is Outcome.COMPLETED, trial.why
    assert [each.says for each in trial.findings if each.tier in {Tier.PROVEN, Tier.LEAK}] == []
    assert [(task.task, task.state) for task in trial.tasks] == [(number, TaskState.DONE) for number in range(TASKS)]
    assert trial.throughput is not None
    assert [manager.host for manager in trial.managers] == ["node01", "node02", "node03"]
    times = [(each.started_s or 0.0, each.registered_s or 0.0) for each in trial.managers]
    assert all(0.0 < started_s < registered_s <= (trial.registered_s or 0.0) for started_s, registered_s in times)
    assert (trial.leftovers, trial.unseen) == ((), ())
