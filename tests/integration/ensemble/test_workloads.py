"""Every workload that hangs under any launcher does so, and is found as what the table says; the others end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hangprobe.ensemble import traces, workloads

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120, method="thread")]

ROOT = Path(__file__).parents[3]
LIMIT_S = 60.0
TASK = """
import sys
from hangprobe.ensemble.subject import task
for number in range(2):
    task.run(sys.argv[1], number, sys.argv[2], "")
"""
# the daemon of kept-stdout hangs the launcher, not a task
HANGING = sorted(
    each.name for each in workloads.TABLE.values() if each.hangs_under == "any" and each.module != "launched"
)
ENDING = ("noop", "fork-pool", "bash")


def start(folder: Path, workload: str) -> subprocess.Popen[bytes]:
    """Do two tasks, one after the other, in a process like a worker."""
    command = [sys.executable, "-c", TASK, str(folder), workload]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[subprocess.Popen[bytes], Path]]]:
    """Start all that hang at once: most of their time is waiting."""
    folders = {name: tmp_path_factory.mktemp(name) for name in HANGING}
    started = {name: (start(folder, name), folder) for name, folder in folders.items()}
    yield started
    for worker, _ in started.values():
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def attach(pid: int) -> dict[str, object]:
    command = [
        sys.executable,
        "-m",
        "hangprobe",
        "attach",
        str(pid),
        "--json",
        "-",
        "--no-stacks",
        "--stall-after",
        "1",
    ]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=LIMIT_S, check=False)
    document: dict[str, object] = json.loads(said.stdout)
    return document


@pytest.mark.parametrize("name", HANGING)
def test_a_workload_hangs_as_the_table_says(
    workers: dict[str, tuple[subprocess.Popen[bytes], Path]], name: str
) -> None:
    worker, folder = workers[name]
    deadline = time.monotonic() + LIMIT_S
    while (found := attach(worker.pid))["verdict"] != "hang":
        assert time.monotonic() < deadline, found
        assert worker.poll() is None
    findings = found["findings"]
    assert isinstance(findings, list)
    assert workloads.TABLE[name].mechanism in {finding["mechanism"] for finding in findings}
    (log,) = traces.read_logs(folder)
    assert log.tasks[-1].outcome is None


@pytest.mark.parametrize("name", ENDING)
def test_a_workload_that_hangs_nowhere_comes_to_its_end(tmp_path: Path, name: str) -> None:
    assert start(tmp_path, name).wait(LIMIT_S) == 0
    (log,) = traces.read_logs(tmp_path)
    assert [task.outcome for task in log.tasks] == ["ok", "ok"]
