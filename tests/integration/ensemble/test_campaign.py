"""Campaigns whose runner is killed for real, and `hangprobe compare` from its testbed to its report."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hangprobe.ensemble.reading import read
from hangprobe.model import Tier
from hangprobe.testbed.state import folder_of
from tests.unit.ensemble.trials import campaign, ended

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240, method="thread")]

ROOT = Path(__file__).parents[3]
GONE_S = 20.0
"""For a child whose runner was killed: it reads the end of its standard input."""
Runner = subprocess.Popen[str]


@contextmanager
def runner(folder: Path, how: str) -> Iterator[Runner]:
    """Yield a runner of the stand-in campaign; it does not outlive the block."""
    program = Path(__file__).with_name("campaign_program.py")
    command = [sys.executable, str(program), str(folder), how]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: Runner) -> list[str]:
    """Return the words of a runner's next line."""
    assert process.stdout is not None
    return process.stdout.readline().split()


def go_on(process: Runner) -> None:
    """Let the running trial end."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def is_gone(pid: int) -> bool:
    """Wait for a process that is no child of this one to end."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], GONE_S)[0])
    finally:
        os.close(handle)


def test_a_campaign_that_is_killed_at_random_trials_ends_with_the_record_of_an_undisturbed_one(tmp_path: Path) -> None:
    folder, dice, made = tmp_path / "c", random.Random(7), list[int]()
    plan = campaign()
    for _ in range(40):
        with runner(folder, "resume" if (folder / "campaign.json").exists() else "new") as process:
            until = dice.randrange(4)
            while (words := said(process))[0] == "began" and until:
                made.append(int(words[1]))
                until -= 1
                go_on(process)
            if words == ["done"]:
                break
            process.kill()
            process.wait()
            assert is_gone(int(words[2]))
    assert made == [each.number for each in plan.plan]
    kept = read(folder)
    assert {each.number: each for each in kept.trials} == ended(plan)
    assert kept.campaign == plan
    assert not list(folder.glob("trials/.gone*"))


def test_a_second_runner_waits_its_turn_and_has_it_when_the_first_is_killed(tmp_path: Path) -> None:
    with runner(tmp_path / "c", "new") as first:
        assert said(first)[:2] == ["began", "1"]
        with runner(tmp_path / "c", "resume") as second:
            assert said(second) == ["busy"]
        first.kill()
        first.wait()
        with runner(tmp_path / "c", "resume") as third:
            assert said(third)[:2] == ["began", "1"]


def test_an_interrupted_trial_is_ended_and_run_again(tmp_path: Path) -> None:
    with runner(tmp_path / "c", "new") as first:
        said(first)
        go_on(first)
        began = said(first)
        first.send_signal(signal.SIGINT)
        assert said(first) == ["interrupted"]
        assert is_gone(int(began[2]))
    assert [each.number for each in read(tmp_path / "c").trials] == [1]
    with runner(tmp_path / "c", "resume") as again:
        assert said(again)[:2] == ["began", "2"]
        assert not list((tmp_path / "c" / "trials" / "0002").glob("trial.json"))


def compare(*words: str) -> subprocess.Popen[str]:
    """Start `hangprobe compare`."""
    command = [sys.executable, "-m", "hangprobe", "compare", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def test_compare_brings_its_testbed_is_interrupted_goes_on_and_reports(tmp_path: Path) -> None:
    out = tmp_path / "c"
    asked = ("--launchers", "mpiexec", "--workloads", "noop", "--nodes", "2", "--trials", "1", "--seed", "3")
    first = compare(*asked, "--out", str(out))
    try:
        assert first.stderr is not None
        assert first.stderr.readline().startswith("[1/2, ")
        first.send_signal(signal.SIGINT)  # to the outer command alone, as `kill -INT` does
        _, errors = first.communicate(timeout=100)
    finally:
        first.kill()
        first.communicate()
    assert first.returncode == 130
    assert f"1 of 2 trials are on record; go on with: hangprobe compare --resume {out}" in errors
    assert not folder_of(f"compare-{first.pid}").exists()

    second = compare("--resume", str(out), "--json", "-")
    try:
        report, errors = second.communicate(timeout=120)
    finally:
        second.kill()
        second.communicate()
    assert second.returncode == 0, errors
    assert json.loads(report)["trials"] == 2
    assert not folder_of(f"compare-{second.pid}").exists()
    trials = {each.cell.workload: each for each in read(out).trials}
    assert (trials["noop"].outcome, trials["thread-lock"].outcome) == ("completed", "hung")
    (finding,) = trials["thread-lock"].findings
    assert (finding.mechanism, finding.tier, finding.ranks) == ("fork-orphaned-lock", Tier.PROVEN, "0-3")
    assert [manager.host for manager in trials["noop"].managers] == ["node01", "node02"]
    assert len((out / "trials.jsonl").read_text().splitlines()) == 2
    assert (out / "report.md").read_text().startswith("# ")
