"""Whoever dies, and however the job's processes hide: nothing of the job is left running."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hangprobe.errors.jobs import GuardianLost
from hangprobe.launch.proctree import list_processes
from hangprobe.launch.session import LaunchSpec, Session

from .harness import Watched, is_gone, wait_until, watched

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

# Processes that no group, session or environment finds: a daemon with an empty environment, a double-forked orphan,
# one that ignores every signal that can be ignored, a stopped one.
FAMILY = """
env -i setsid sleep 600 &
(setsid sleep 600 &)
setsid sh -c 'trap "" HUP INT TERM QUIT USR1; while :; do sleep 600; done' &
sh -c 'kill -STOP $$' &
wait
"""
# Each dead child is replaced by a new one in a new session, TERM is ignored; 200 at most.
RESPAWNER = """
trap '' TERM
i=0
while [ $i -lt 200 ]; do env -i setsid sleep 600 & echo >ready; wait $!; i=$((i+1)); done
"""
# Always one process, never the same: each forks its successor and exits, faster than /proc can be read. 20 s at most.
RUNNER = """
import os, time
end = time.monotonic() + 20
open("ready", "w").close()
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
"""


@contextmanager
def watched_family(folder: Path) -> Iterator[tuple[Watched, set[int]]]:
    """Watch FAMILY; give the driver and the pids of the whole tree, once it stands."""
    with watched(folder, "sh", "-c", FAMILY) as driver:
        wait_until(lambda: [p.name for p in driver.tree()].count("sleep") == 3, "three sleeping processes")
        wait_until(lambda: any(p.state == "T" for p in driver.tree()), "the stopped one")
        yield driver, {process.pid for process in driver.tree()}


def test_killed_hangprobe_takes_its_job_along(tmp_path: Path) -> None:
    with watched_family(tmp_path) as (driver, tree):
        os.kill(driver.pid, signal.SIGKILL)
        wait_until(lambda: is_gone(tree | {driver.guardian}), "the tree to vanish")


def test_killed_guardian_loses_the_job_but_leaves_nothing(tmp_path: Path) -> None:
    with watched_family(tmp_path) as (driver, tree):
        os.kill(driver.guardian, signal.SIGKILL)
        assert driver.wait() == 125
        assert is_gone(tree)
        assert f"(pid {driver.guardian}) died" in (tmp_path / "err").read_text()


def test_killed_process_group_does_not_free_its_daemons(tmp_path: Path) -> None:
    with watched_family(tmp_path) as (driver, tree):
        os.killpg(driver.pid, signal.SIGKILL)
        wait_until(lambda: is_gone(tree | {driver.guardian}), "the tree to vanish")


def test_session_wide_signals_do_not_end_the_guardian(tmp_path: Path) -> None:
    with watched_family(tmp_path) as (driver, tree):
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM, signal.SIGXCPU, 40):
            os.kill(driver.guardian, number)
        os.kill(driver.command, signal.SIGKILL)
        assert driver.wait() == 137
        assert json.loads(driver.report.read_text())["left"] == []
        assert is_gone(tree)


def test_daemon_left_by_a_successful_command_is_ended_and_the_status_kept(tmp_path: Path) -> None:
    with watched(tmp_path, "sh", "-c", "(env -i setsid sleep 600 &); exit 0") as driver:
        assert driver.wait() == 0


def test_output_filter_that_outlives_the_command_may_finish(tmp_path: Path) -> None:
    script = "exec > >(sleep 0.1; cat; echo filtered >>out2); echo text"
    with watched(tmp_path, "bash", "-c", script) as driver:
        assert driver.wait() == 0
        assert (tmp_path / "out").read_text() == "text\n"
        assert (tmp_path / "out2").exists()


def test_respawning_job_is_ended(tmp_path: Path) -> None:
    with Session(LaunchSpec(("sh", "-c", RESPAWNER), "respawner", cwd=tmp_path)) as session:
        wait_until((tmp_path / "ready").exists, "ready")
        ended = session.end(0.1)
    assert ended.left == ()
    assert ended.killed >= 2


def test_respawner_left_behind_is_ended(tmp_path: Path) -> None:
    script = f"setsid sh -c '{RESPAWNER.replace(chr(39), chr(34))}' & while [ ! -e ready ]; do sleep 0.01; done"
    with Session(LaunchSpec(("sh", "-c", script), "left", cwd=tmp_path)) as session:
        wait_until(lambda: session.poll(), "the command to end")
        assert session.finish().left == ()
        assert session.poll().status == 0  # type: ignore[union-attr]


def test_process_that_is_never_the_same_is_ended(tmp_path: Path) -> None:
    with Session(LaunchSpec((sys.executable, "-c", RUNNER), "runner", cwd=tmp_path)) as session:
        wait_until(lambda: session.poll(), "the first process to exit")
        started = time.monotonic()
        ended = session.end(0)
        assert time.monotonic() - started < 8
    assert ended.left == ()


def test_process_that_is_never_the_same_does_not_survive_the_guardian(tmp_path: Path) -> None:
    with Session(LaunchSpec((sys.executable, "-c", RUNNER), "runner", cwd=tmp_path)) as session:
        wait_until(lambda: session.poll(), "the first process to exit")
        os.kill(session.guardian_pid, signal.SIGKILL)
        assert session.finish().left == ()


def test_exception_in_the_session_ends_the_job(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Session(LaunchSpec(("sleep", "600"), "error")) as session:
        raise ZeroDivisionError
    assert is_gone({session.command_pid, session.guardian_pid})


def test_end_and_finish_may_be_repeated() -> None:
    with Session(LaunchSpec(("sleep", "600"), "again")) as session:
        first = session.end(1.0)
        assert session.end() is session.finish() is first
        assert (first.signalled, first.left) == (1, ())
        assert session.poll().status == 143  # type: ignore[union-attr]
        session.signal(signal.SIGTERM)


def test_stuck_guardian_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hangprobe.launch.session.ANSWER_LIMIT_S", 0.2)
    with Session(LaunchSpec(("sleep", "600"), "stuck")) as session:
        os.kill(session.guardian_pid, signal.SIGSTOP)
        assert session.end(0).left == ()
    assert is_gone({session.command_pid, session.guardian_pid})


def test_other_children_and_other_sessions_survive_a_lost_guardian(tmp_path: Path) -> None:
    with watched(tmp_path, "sleep", "600") as bystander, Session(LaunchSpec(("sleep", "600"), "first")) as first:
        with Session(LaunchSpec(("sleep", "600"), "second")) as second:
            os.kill(second.guardian_pid, signal.SIGKILL)
            with pytest.raises(GuardianLost):
                wait_until(lambda: second.poll(), "the loss")
            assert is_gone({second.command_pid})
        assert first.poll() is None
        assert not is_gone({first.command_pid, first.guardian_pid, bystander.command, bystander.guardian})


def test_tagged_process_outside_the_tree_is_ended_too(tmp_path: Path) -> None:
    """As a rank that srun has slurmstepd start: no descendant, but with the job's environment."""
    pid = os.posix_spawnp("sleep", ["sleep", "600"], {"PATH": os.environ["PATH"], "HANGPROBE_JOB": "by-tag"})
    with Session(LaunchSpec(("true",), "by-tag")) as session:
        wait_until(lambda: session.poll(), "the command to end")
        assert session.finish().killed == 1
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    assert os.getpid() in list_processes()
