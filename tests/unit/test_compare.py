"""What `hangprobe compare` is asked for, and how it tells what it does."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hangprobe.cli import comparing, inside
from hangprobe.cli.asked import Asked
from hangprobe.cli.comparing import begun, work_of
from hangprobe.cli.trials import Bar, Lines, left
from hangprobe.ensemble.campaign import Counter
from hangprobe.ensemble.records import Outcome
from hangprobe.ensemble.store import opened
from hangprobe.errors.base import UnknownName, UsageError
from hangprobe.errors.ensembles import CampaignDiffers, CampaignExists, CampaignMissing
from hangprobe.launch import gnuparallel

from .ensemble.trials import ENVIRONMENT, campaign, ended, trial

HOSTS = ("a", "b", "c")
ASKED = Asked(launchers="mpiexec", workloads="stdin-child", trials=2, seed=7)


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask no program for its version."""
    monkeypatch.setattr(comparing, "_environment", lambda cells, hosts, say: ENVIRONMENT.but(hosts=hosts))


@pytest.mark.parametrize(
    ("options", "near"),
    [
        ({"launchers": "mpiexe"}, "did you mean mpiexec"),
        ({"launchers": "gnuparallel"}, "gnu-parallel"),
        ({"workloads": "stdin_child"}, "did you mean stdin-child"),
        ({"mpi": "openmp"}, "did you mean openmpi"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest_ones(options: dict[str, str], near: str) -> None:
    with pytest.raises(UnknownName, match=near):
        _ = Asked(**options).axes  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"launchers": ","},
        {"workloads": "my.module:"},
        {"parsl": "last week"},
        {"launchers": "as-configured"},
    ],
)
def test_what_cannot_be_is_a_usage_error(options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        _ = Asked(**options).axes  # type: ignore[arg-type]


def test_an_own_function_is_a_workload_and_a_configuration_brings_its_own_launcher() -> None:
    axes = Asked(config=Path("c.py"), workloads="my.module:task,noop").axes
    assert axes.workloads == ("my.module:task", "noop")
    assert axes.launchers[0] == "as-configured"


def test_the_words_of_a_command_ask_for_the_same(tmp_path: Path) -> None:
    asked = Asked(config=tmp_path / "c.py", launchers="mpiexec", trials=3, stall_after=2.5, until_sure=True, seed=0)
    assert asked.words() == (
        *(str(tmp_path / "c.py"), "--launchers", "mpiexec", "--trials", "3", "--seed", "0"),
        *("--stall-after", "2.5", "--until-sure"),
    )
    assert Asked().words() == ()
    assert not Asked().is_anything
    assert Asked(seed=0).is_anything


def test_settings_that_were_not_given_are_the_usual_ones() -> None:
    assert Asked(stall_after=3.0).settings(2) == campaign().settings.but(nodes=2, stall_after_s=3.0)
    with pytest.raises(UsageError, match="null or open"):
        Asked(driver_stdin="closed").settings(2)


def test_out_and_resume_exclude_each_other_and_are_checked_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        work_of(ASKED, tmp_path, tmp_path, False)
    with pytest.raises(CampaignMissing):
        work_of(Asked(), None, tmp_path, False)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(CampaignExists):
        work_of(ASKED, tmp_path / "full", None, False)
    assert work_of(ASKED, tmp_path / "new", None, False).words()[-2:] == ("--out", str(tmp_path / "new"))


def test_gnu_parallel_is_looked_for_before_a_testbed_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gnuparallel, "find", lambda: None)
    with pytest.raises(UsageError, match="hangprobe setup parallel"):
        work_of(Asked(launchers="gnu-parallel"), tmp_path / "c", None, False)
    assert not (tmp_path / "c").exists()
    work_of(ASKED, tmp_path / "c", None, False)


def test_a_campaign_is_begun_and_its_command_repeats_it(tmp_path: Path) -> None:
    with opened(tmp_path, is_new=True) as store:
        made, left_out = begun(store, ASKED, HOSTS, print)
        assert store.campaign() == made
    assert (left_out, made.seed, made.settings.nodes) == ((), 7, 3)
    assert " ".join(made.command) == (
        "hangprobe compare --launchers mpiexec --workloads stdin-child --trials 2 --nodes 3 --seed 7"
    )


def test_resume_takes_everything_from_disk(tmp_path: Path) -> None:
    with opened(tmp_path, is_new=True) as store:
        made, _ = begun(store, ASKED, HOSTS, print)
    with opened(tmp_path, is_new=False) as store:
        assert begun(store, None, (*HOSTS, "d"), print) == (made, ())
        with pytest.raises(UsageError, match="3 nodes are wanted"):
            begun(store, None, HOSTS[:2], print)


def test_resume_with_options_checks_them_and_takes_the_seed_from_disk(tmp_path: Path) -> None:
    with opened(tmp_path, is_new=True) as store:
        made, _ = begun(store, ASKED, HOSTS, print)
    with opened(tmp_path, is_new=False) as store:
        again = Asked(launchers="mpiexec", workloads="stdin-child", trials=2)
        assert begun(store, again, HOSTS, print)[0] == made
        with pytest.raises(CampaignDiffers, match="blocks"):
            begun(store, Asked(launchers="mpiexec", workloads="stdin-child", trials=3), HOSTS, print)
        with pytest.raises(CampaignDiffers, match="cells"):
            begun(store, Asked(launchers="mpiexec", workloads="flock", trials=2), HOSTS, print)


def test_nothing_to_compare_is_told_with_the_reasons(tmp_path: Path) -> None:
    with opened(tmp_path, is_new=True) as store, pytest.raises(UsageError, match="single-node starts one manager"):
        begun(store, Asked(launchers="single-node"), HOSTS, print)
    assert not (tmp_path / "campaign.json").exists()


def test_a_line_a_trial_says_how_far_and_what_came_of_it() -> None:
    plan, stream = campaign(blocks=1), io.StringIO()
    first = plan.plan[0]
    counter = Counter(plan, {1: trial(first, Outcome.HUNG, duration_s=30.0)})
    Lines(stream, is_quiet=False).ended(counter.trials[1], counter.progress())
    said = stream.getvalue()
    assert said.startswith("[1/6, about 2 min left] block 1, ")
    assert f"{first.cell.workload} under {first.cell.launcher} (mpich): hung after 30.0 s (so it went)" in said
    assert said.endswith("hung 1 of 1 so far\n")


def test_quiet_says_nothing() -> None:
    plan, stream = campaign(blocks=1), io.StringIO()
    counter = Counter(plan, ended(plan))
    Lines(stream, is_quiet=True).ended(counter.trials[1], counter.progress())
    assert stream.getvalue() == ""


def test_the_bar_shows_every_cell_and_what_runs() -> None:
    from rich.console import Console

    plan = campaign(blocks=1)
    counter = Counter(plan, ended(plan))
    bar = Bar(io.StringIO())
    bar.began(plan.plan[2], counter.progress())
    console = Console(file=io.StringIO(), width=120)
    console.print(bar._draw())
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert drawn.count("gnu-parallel (mpich)") >= 3
    assert "6/6, about 0 s left" in drawn
    running = plan.plan[2]
    assert drawn.rstrip().splitlines()[-1].startswith(f"block 1, {running.cell.workload} under {running.cell.launcher}")


def test_times_left_are_told_as_one_would() -> None:
    assert [left(seconds) for seconds in (0.4, 89.0, 95.0, 3600.0, 4 * 3600.0)] == [
        *("about 0 s left", "about 89 s left", "about 2 min left", "about 60 min left"),
        "about 4.0 h left",
    ]


INNER = """
import os, signal, sys, time
from hangprobe.cli import inside
got = []
signal.signal(signal.SIGTERM, lambda *_: got.append("TERM"))
signal.signal(signal.SIGINT, lambda *_: got.append("INT"))
os.write(1, b"ready\\n")
sys.stdin.readline()
inside.welcome()
os.write(1, (",".join(got) + "\\n").encode())
"""


def test_a_signal_that_comes_while_the_inner_command_starts_is_not_lost_and_comes_once() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, inside.RELAYED)
    try:
        inner = subprocess.Popen(
            [sys.executable, "-c", INNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert inner.stdout is not None
    assert inner.stdin is not None
    assert inner.stdout.readline() == "ready\n"
    os.kill(inner.pid, signal.SIGTERM)
    os.kill(inner.pid, signal.SIGTERM)
    said, _ = inner.communicate("go\n", timeout=20)
    assert said == "TERM\n"
