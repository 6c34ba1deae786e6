"""However `run` is stopped, at whatever moment: the right code, whole files or none, and nothing left running.

The moments are random, from a fixed seed; here sleeping is the variable, not a substitute for a handshake.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from .document import faults
from .harness import Done, read, running
from .leftovers import nothing_left_behind

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

RUN = ("run", "bcast_under_lock", "--json", "doc", "--out", "results")
TRIALS = 8
LONGEST_S = 3.0


def moments(seed: int) -> list[float]:
    return [random.Random(f"{seed}/{trial}").uniform(0, LONGEST_S) for trial in range(TRIALS)]


def stop_after(delay_s: float, signum: signal.Signals, folder: Path) -> Done:
    """Run, and send a signal to hangprobe alone after a while."""
    with running(folder, *RUN) as run:
        time.sleep(delay_s)
        assert run.popen.poll() is None, "the job ended before it could be interrupted"
        os.kill(run.pid, signum)
        return run.wait(20)


def assert_whole_or_absent(path: Path) -> None:
    if path.exists():
        assert faults(read(path)) == []


@pytest.mark.parametrize(
    ("signum", "delay_s"),
    [(signum, delay_s) for signum in (signal.SIGINT, signal.SIGTERM) for delay_s in moments(signum)],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else f"{value:.2f} s",
)
def test_interrupted_run_ends_in_order(signum: signal.Signals, delay_s: float, tmp_path: Path) -> None:
    done = stop_after(delay_s, signum, tmp_path)
    assert done.status == 128 + signum
    assert_whole_or_absent(tmp_path / "doc")
    assert_whole_or_absent(tmp_path / "results" / "result.json")
    assert (tmp_path / "doc").exists() == (tmp_path / "results" / "result.json").exists()
    assert list(tmp_path.rglob("*.tmp")) == []
    assert list(tmp_path.rglob(".*")) == []
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("hangprobe")]) <= 1


@pytest.mark.parametrize("delay_s", moments(signal.SIGKILL), ids=lambda value: f"{value:.2f} s")
def test_killed_run_takes_its_job_along(delay_s: float, tmp_path: Path) -> None:
    with nothing_left_behind(limit_s=10):
        assert stop_after(delay_s, signal.SIGKILL, tmp_path).status == 137
    assert_whole_or_absent(tmp_path / "doc")
    assert_whole_or_absent(tmp_path / "results" / "result.json")


def test_interrupted_run_tells_what_it_had_found(tmp_path: Path) -> None:
    with running(tmp_path, *RUN) as run:
        while "hang (proven)" not in run.out.read_text():
            assert run.popen.poll() is None
            time.sleep(0.01)
        run.popen.send_signal(signal.SIGINT)
        done = run.wait(20)
    document = read(tmp_path / "doc")
    assert done.status == 130
    assert (document["verdict"], document["tier"], document["ended_by"]) == ("hang", "proven", "user")
    assert read(tmp_path / "results" / "result.json") == document
