"""A testbed begins at once, ends at once, and leaves nothing, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hangprobe.errors.tools import TestbedExists, TestbedFailed, TestbedMissing
from hangprobe.launch.proctree import descendants, list_processes
from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.ending import inhabitants
from hangprobe.testbed.health import look
from hangprobe.testbed.state import State, folder_of, read

from .harness import (
    HANGPROBE,
    LIMIT_S,
    REPOSITORY,
    command_line,
    first_of_login,
    left_of,
    outside,
    own_name,
    say,
    wait_until,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]


def test_down_leaves_nothing_and_the_machine_is_as_it_was() -> None:
    before, name = outside(), own_name("down")
    with Testbed.up(2, name) as bed:
        subprocess.run(
            bed.command("node01", ["sh", "-c", "setsid sleep 60 >/dev/null 2>&1 &"]), timeout=LIMIT_S, check=True
        )
        assert len(left_of(name, bed.state)) > 4
        assert outside() == before
    assert left_of(name, bed.state) == []
    assert outside() == before


def test_a_frozen_node_does_not_answer_and_goes_down_with_the_others() -> None:
    name = own_name("frozen")
    with Testbed.up(2, name) as bed:
        freezer = subprocess.Popen(bed.command("node02", ["sh", "-c", "kill -STOP -1"]), stdin=subprocess.DEVNULL)
        wait_until(lambda: [node.has_sshd for node in look(bed).nodes] == [True, False], "node02 to be frozen")
    assert left_of(name, bed.state) == []
    assert freezer.wait(LIMIT_S) != 0


def test_everything_of_it_descends_from_its_owner() -> None:
    with Testbed.up(2, own_name("descent")) as bed:
        for place in ("login", "node02"):
            assert say(bed, place, "sh", "-c", "setsid sh -c 'echo $0; exec sleep 60 >&- 2>&-' up </dev/null &") == "up"
        found, table = inhabitants(bed.state.networks), list_processes()
        there = {pid for pid in found if pid in table}  # the sshd of a session may have ended meanwhile
        assert len(there) >= 1 + 1 + 2 * 2 + 2  # the site, login, two nodes with an sshd, two commands
        assert there <= descendants(table, {bed.state.owner_pid})


def test_what_kills_everything_on_login_reaches_no_node_and_not_login_itself() -> None:
    with Testbed.up(2, own_name("kill-all")) as bed:
        subprocess.run(bed.command("login", ["sh", "-c", "kill -KILL -1"]), timeout=LIMIT_S, check=False)
        assert [node.has_sshd for node in look(bed).nodes] == [True, True]
        assert say(bed, "login", "hostname") == "login"


@pytest.mark.parametrize("victim", ["owner", "user", "site", "login"])
def test_kill_9_of_what_it_lives_by_leaves_nothing(victim: str) -> None:
    name = own_name(f"kill-{victim}")
    program = [sys.executable, str(Path(__file__).with_name("user.py")), name]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as user:
        assert user.stdout is not None
        try:
            fields = json.loads(user.stdout.readline())
            known = State(**{**fields, "networks": tuple(fields["networks"])})
            assert left_of(name, known) != []
            victims = {"owner": known.owner_pid, "user": user.pid, "site": known.site_pid}
            os.kill(victims.get(victim) or first_of_login(known), signal.SIGKILL)
            wait_until(lambda: left_of(name, known) == [], f"nothing to be left, and there is {left_of(name, known)}")
        finally:
            user.kill()


def test_kill_9_while_it_is_built_leaves_nothing() -> None:
    before, name = outside(), own_name("early")
    program = [sys.executable, str(Path(__file__).with_name("user.py")), name]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, env=environment) as user:
        try:
            wait_until(lambda: (folder_of(name) / "site.log").exists(), "the site to begin")
        finally:
            user.kill()
    wait_until(lambda: not folder_of(name).exists(), "its folder to be removed")
    assert outside() == before


def test_one_that_was_killed_as_a_whole_makes_room_for_the_next() -> None:
    name = own_name("stale")
    bed = Testbed.up(1, name, is_detached=True)
    os.kill(bed.state.owner_pid, signal.SIGSTOP)  # so that it cannot tidy up
    os.kill(bed.state.site_pid, signal.SIGKILL)
    os.kill(bed.state.owner_pid, signal.SIGKILL)
    wait_until(lambda: read(folder_of(name)) is None, "the testbed to be dead")
    with pytest.raises(TestbedMissing):
        Testbed.find(name)
    with Testbed.up(1, name) as again:
        assert say(again, "node01", "hostname") == "node01"
    assert left_of(name, again.state) == []


def test_two_at_once_do_not_meet() -> None:
    names = own_name("one"), own_name("two")
    with Testbed.up(1, names[0]) as one, Testbed.up(1, names[1]) as two:
        for bed, word in ((one, "first"), (two, "second")):
            say(bed, "node01", "sh", "-c", f"echo {word} >/tmp/word")
        assert [say(bed, "node01", "cat", "/tmp/word") for bed in (one, two)] == ["first", "second"]
        one.down()
        assert say(two, "node01", "hostname") == "node01"
    assert [left_of(name, bed.state) for name, bed in zip(names, (one, two), strict=True)] == [[], []]


def test_a_name_is_given_once() -> None:
    name = own_name("once")
    with Testbed.up(1, name), pytest.raises(TestbedExists, match="is up already, with 1 nodes"):
        Testbed.up(2, name)


def test_a_folder_below_tmp_is_visible_if_it_is_shared(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("seen\n")
    with Testbed.up(1, own_name("share"), shares=[tmp_path]) as bed:
        assert say(bed, "node01", "cat", f"{tmp_path}/file") == "seen"
        assert say(bed, "node01", "sh", "-c", "ls -d /tmp/hangprobe-testbed-* 2>/dev/null | wc -l") == "0"


def test_the_command_line_makes_one_that_stays(tmp_path: Path) -> None:
    name = own_name("cli")
    made = command_line("up", "2", "--name", name)
    assert made.returncode == 0, made.stderr
    known = Testbed.find(name).state
    try:
        assert f"kept by process {known.owner_pid}" in made.stdout
        assert "is up already" in command_line("up", "2", "--name", name).stdout
        refused = command_line("up", "3", "--name", name)
        assert (refused.returncode, "hangprobe testbed down --name" in refused.stderr) == (1, True)
        words = [*HANGPROBE, "exec", "--name", name, "node02", "sh", "-c", "cat; exit 9"]
        said = subprocess.run(
            words, cwd=REPOSITORY, input="x\n", capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        assert (said.returncode, said.stdout, said.stderr) == (9, "x\n", "")
        shown = command_line("status", "--json", str(tmp_path / "bed.json"), "--name", name)
        assert "node02  10.77.0.2    sshd answers" in shown.stdout
        assert json.loads((tmp_path / "bed.json").read_text())["owner_pid"] == known.owner_pid
    finally:
        ended = command_line("down", "--name", name)
    assert "nothing of it is left" in ended.stdout
    assert left_of(name, known) == []
    assert command_line("down", "--name", name).returncode == 1


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("ip", "ip failed (no links here)"),
        ("sshd", "sshd of node01 ended (no links here)"),
        ("ssh-keygen", "ssh-keygen failed (no links here)"),
    ],
)
def test_what_goes_wrong_inside_is_said_and_nothing_is_left(
    program: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / program).write_text("#!/bin/sh\necho no links here >&2; exit 3\n")
    (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    before, name = outside(), own_name(f"broken-{program}")
    with pytest.raises(TestbedFailed) as caught:
        Testbed.up(1, name, shares=[tmp_path])
    assert str(caught.value) == says
    assert not folder_of(name).exists()
    assert outside() == before


def test_where_namespaces_are_forbidden_one_line_says_so() -> None:
    script = 'echo 0 >/proc/sys/user/max_net_namespaces && exec "$@"'
    words = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        script,
        "sh",
        *HANGPROBE,
        "up",
        "2",
        "--name",
        own_name("no"),
    ]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hangprobe: a testbed needs Linux namespaces, and they are refused (unshare: ")
    assert done.stderr.count("\n") == 1
