"""Real ensembles of the installed Parsl: on two nodes over real ssh, and how a user's configuration is taken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hangprobe.ensemble import traces
from hangprobe.observe.crew import sizes
from hangprobe.packages import unpacked
from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.ending import inhabitants
from hangprobe.testbed.layout import LOGIN

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240, method="thread")]

CHILD = Path(__file__).parents[3] / "hangprobe/ensemble/htex_child.py"
LIMIT_S = 90.0
TASKS = 8
"""Two nodes, two workers each, two tasks a worker."""
CONFIGURATION = """
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

def config():
    htex = HighThroughputExecutor(
        label="mine", address="127.0.0.1", cores_per_worker=0.1, max_workers_per_node=1, provider=LocalProvider()
    )
    return Config(executors=[htex], retries=1, strategy_period=0.3)
"""


@dataclass
class Ensemble:
    """A driver that has been started."""

    folder: Path
    driver: subprocess.Popen[bytes]

    def events(self, name: str) -> list[traces.Event]:
        return [event for event in traces.read_events(self.folder) if event["event"] == name]

    def logs(self) -> list[traces.WorkerLog]:
        return traces.read_logs(self.folder / "marks")

    def until(self, is_so: Callable[[], bool], is_running: bool = True) -> None:
        """Wait until something can be seen in what it leaves."""
        deadline = time.monotonic() + LIMIT_S
        while not is_so():
            assert not is_running or self.driver.poll() is None, (self.folder / "driver.out").read_text()
            assert time.monotonic() < deadline, (self.folder / "events.jsonl").read_text()
            time.sleep(0.05)

    def end(self) -> int:
        return self.driver.wait(LIMIT_S)


def start(folder: Path, bed: Testbed | None, **said: Any) -> Ensemble:
    """Start a driver with a specification, on the testbed's login node or here."""
    (folder / "marks").mkdir(parents=True)
    nodes = bed.nodes if bed else ["127.0.0.1"]
    (folder / "nodes").write_text("".join(f"{node}\n" for node in nodes))
    specification = {
        "folder": str(folder),
        "nodes": nodes,
        "node_file": str(folder / "nodes"),
        "mpi_bin": str(Path(sys.executable).parent),
        "deadline_s": LIMIT_S,
        **said,
    }
    (folder / "spec.json").write_text(json.dumps(specification))
    command = [sys.executable, str(CHILD), str(folder / "spec.json")]
    with (folder / "driver.out").open("wb") as out:
        driver = subprocess.Popen(
            bed.command(LOGIN, command) if bed else command, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    return Ensemble(folder, driver)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trials")


@pytest.fixture(scope="module")
def bed(shared: Path) -> Iterator[Testbed]:
    with Testbed.up(2, f"test-{os.getpid()}-htex", shares=(shared,)) as bed:
        yield bed


@pytest.fixture
def trial(bed: Testbed, shared: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Ensemble]]:
    """Start an ensemble on the testbed; at the end it is ended, and nothing of it is left there."""
    before = set(inhabitants(bed.state.networks))
    started: list[Ensemble] = []

    def begin(**said: Any) -> Ensemble:
        started.append(start(shared / request.node.name, bed, **said))
        return started[-1]

    yield begin
    for each in started:
        each.driver.terminate()
        each.driver.wait(LIMIT_S)
    deadline = time.monotonic() + 20
    while left := set(inhabitants(bed.state.networks)) - before:
        assert time.monotonic() < deadline, [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left]
        time.sleep(0.05)


def by_host(ensemble: Ensemble) -> dict[str, list[str | None]]:
    """Return how the tasks of each host have ended so far."""
    found: dict[str, list[str | None]] = {}
    for log in ensemble.logs():
        found.setdefault(log.host, []).extend(task.outcome for task in log.tasks)
    return found


def begun(ensemble: Ensemble) -> list[traces.TaskLog]:
    return [task for log in ensemble.logs() for task in log.tasks]


def test_a_child_that_reads_stdin_hangs_under_mpiexec_on_every_node_but_the_first(
    bed: Testbed, trial: Callable[..., Ensemble]
) -> None:
    ensemble = trial(launcher="mpiexec", workload="stdin-child", prefix=["/usr/bin/env", "SAID={a b}  100%"])
    ensemble.until(lambda: len(ensemble.events("task")) == TASKS - 2 and len(begun(ensemble)) == TASKS)
    assert by_host(ensemble) == {"node01": ["ok"] * (TASKS - 2), "node02": [None, None]}
    readers = subprocess.run(bed.command("node02", ["pgrep", "-xc", "cat"]), capture_output=True, check=False)
    assert readers.stdout == b"2\n"
    manager = next(log.manager_pid for log in ensemble.logs() if log.host == "node02")
    environment = subprocess.run(bed.command("node02", ["cat", f"/proc/{manager}/environ"]), capture_output=True)
    assert b"SAID={a b}  100%" in environment.stdout.split(b"\0")
    ensemble.driver.terminate()  # ends nsenter(1), whose end is the driver's signal
    ensemble.until(lambda: bool(ensemble.events("cleaned")), is_running=False)
    assert ensemble.events("interrupted")
    (finished,) = ensemble.events("finished")
    assert (finished["pending"], finished["status"]) == (2, 143)


def test_the_same_under_the_repaired_gnu_parallel_comes_to_its_end(trial: Callable[..., Ensemble]) -> None:
    root = "" if shutil.which("parallel") else f"{unpacked('parallel', ('parallel',))}/usr/bin"
    ensemble = trial(launcher="gnu-parallel-repaired", workload="stdin-child", worker_init=f"export PATH=$PATH:{root}")
    assert ensemble.end() == 0
    assert sizes(ensemble.folder / "marks") == (2, 2)
    managers = ensemble.events("managers")[-1]["managers"]
    assert sorted(manager["host"] for manager in managers) == ["node01", "node02"]
    assert {event["task"] for event in ensemble.events("task") if event["state"] == "done"} == set(range(TASKS))
    assert sorted(task.task for task in begun(ensemble)) == list(range(TASKS))
    assert by_host(ensemble).keys() == {"node01", "node02"}
    assert {outcome for outcomes in by_host(ensemble).values() for outcome in outcomes} == {"ok"}
    assert {log.pool for log in ensemble.logs()} <= {manager["uid"] for manager in managers}
    assert ensemble.events("loaded")[0]["is_here"] is False
    (finished,) = ensemble.events("finished")
    assert (finished["done"], finished["failed"], finished["pending"]) == (TASKS, 0, 0)


def test_gnu_parallel_as_shipped_ends_at_once_in_its_own_words(trial: Callable[..., Ensemble]) -> None:
    root = "" if shutil.which("parallel") else f"{unpacked('parallel', ('parallel',))}/usr/bin"
    ensemble = trial(launcher="gnu-parallel", workload="noop", worker_init=f"export PATH=$PATH:{root}")
    assert ensemble.end() == 4
    assert ensemble.events("block-ended")[0]["status"] == "FAILED (exit 255)"
    assert "parallel --record-env" in ensemble.events("block-output")[0]["stderr"]
    assert ensemble.logs() == []


def test_a_users_configuration_is_taken_as_it_is(tmp_path: Path) -> None:
    """Its executor, its provider, its one worker; its default run_dir lies below the trial's folder."""
    path = tmp_path / "configuration.py"
    path.write_text(CONFIGURATION)
    ensemble = start(tmp_path / "trial", None, config=str(path), launcher="as-configured", node_file=None)
    try:
        assert ensemble.end() == 0
    finally:
        ensemble.driver.kill()
        ensemble.driver.wait()
    assert sizes(ensemble.folder / "marks") == (1, 1)
    loaded = ensemble.events("loaded")[0]
    assert (loaded["labels"], loaded["is_here"]) == (["mine"], True)
    assert (ensemble.folder / "runinfo/000/mine/interchange.log").exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("from parsl.config import Config\nconfig = Config(executors=[nonsense])\n", "nonsense"),
        ("config = 1\n", "0 configurations"),
        ("from parsl.config import Config\nconfig = Config()\n", "no HighThroughputExecutor"),
        (CONFIGURATION.replace("retries=1", "strategy='no such'"), "parsl.load"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "configuration.py"
    path.write_text(text)
    ensemble = start(tmp_path / "trial", None, config=str(path), launcher="as-configured")
    assert ensemble.end() == 3
    assert why in ensemble.events("config-refused")[0]["errors"][0]
    assert ensemble.events("loaded") == []
