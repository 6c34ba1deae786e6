"""`hangprobe attach` as its users meet it: choices, documents, --watch, interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HANGPROBE = [sys.executable, "-m", "hangprobe"]
HUNG = """
import os, threading, sys
lock = threading.Lock()
lock.acquire()
print("ready", flush=True)
lock.acquire()
"""
LIMIT_S = 40.0

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60, method="thread")]


@contextmanager
def started(program: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def attach(*options: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HANGPROBE, "attach", *options], capture_output=True, text=True, timeout=LIMIT_S, check=False, cwd=cwd
    )


def asleep(pid: int) -> None:
    """Wait until a process sleeps."""
    until_s = time.monotonic() + 20
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
        assert time.monotonic() < until_s
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "must be told what to look at"),
        (("1", "--all"), "in one way"),
        (("--hosts", "node01", "--name", "x"), "in one way"),
        (("999999999",), "there is no process 999999999"),
        (("--name", "no-such-name"), "is named 'no-such-name'"),
        (("--hosts", "node[01-"), "no set of hosts"),
        (("--hosts", "./no/such/file"), "there is no node file"),
        (("--all", "--json", "/no/such/folder/x"), "folder does not exist"),
        (("eins",), "valid integer"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(options: tuple[str, ...], says: str, tmp_path: Path) -> None:
    done = attach(*options, cwd=tmp_path)
    assert done.returncode in {2, 125}
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_job_id_without_a_batch_system_names_the_remedy(tmp_path: Path) -> None:
    variables = {"PATH": "/nonexistent", "HOME": str(tmp_path)}
    done = subprocess.run(
        [*HANGPROBE, "attach", "--job", "7"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env=variables,
    )
    assert done.returncode == 2
    assert "--hosts" in done.stderr


def test_a_program_that_waits_for_itself_is_found_and_lives_on(tmp_path: Path) -> None:
    with started(HUNG) as process:
        asleep(process.pid)
        target = tmp_path / "result.json"
        done = attach(str(process.pid), "--json", str(target), "--out", str(tmp_path / "out"), cwd=tmp_path)
        document = json.loads(target.read_text())
        assert process.poll() is None
    assert (done.returncode, document["verdict"], document["ended_by"]) == (124, "hang", None)
    assert "still running" in done.stdout or "blocked" in done.stdout
    assert document["ranks"][0]["pid"] == process.pid
    assert json.loads((tmp_path / "out/result.json").read_text()) == document
    assert (tmp_path / "out/report.md").exists()


def test_a_document_on_stdout_leaves_the_text_to_stderr() -> None:
    with started("import time; print('ready', flush=True); time.sleep(100)") as process:
        asleep(process.pid)
        done = attach(str(process.pid), "--json", "-")
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "ok")
    assert done.stderr.startswith("OK: ")


def test_watch_ends_when_what_it_watches_has_ended() -> None:
    with started("import time; print('ready', flush=True); time.sleep(100)") as process:
        watcher = subprocess.Popen(
            [*HANGPROBE, "attach", str(process.pid), "--watch", "--interval", "0.05"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert watcher.stdout is not None
        assert "1 rank" in watcher.stdout.readline()
        process.kill()
        process.wait()
        output, _ = watcher.communicate(timeout=LIMIT_S)
    assert watcher.returncode == 0
    assert "exited" in output


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_watch_writes_its_document_and_leaves_nothing(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    target = tmp_path / "result.json"
    with started("import time; print('ready', flush=True); time.sleep(100)") as process:
        watcher = subprocess.Popen(
            [*HANGPROBE, "attach", str(process.pid), "--watch", "--json", str(target)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert watcher.stdout is not None
        watcher.stdout.readline()
        watcher.send_signal(number)
        _, errors = watcher.communicate(timeout=LIMIT_S)
        assert process.poll() is None
    assert (watcher.returncode, errors) == (status, "")
    assert json.loads(target.read_text())["verdict"] == "ok"
    assert os.listdir(tmp_path) == ["result.json"]


def test_hosts_that_do_not_answer_are_named_within_the_deadline(tmp_path: Path) -> None:
    stand_in = tmp_path / "ssh"
    stand_in.write_text("#!/bin/sh\nexec sleep 100\n")
    stand_in.chmod(0o755)
    variables = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    began_s = time.monotonic()
    done = subprocess.run(
        [*HANGPROBE, "attach", "--hosts", "far[1-3]", "--deadline", "2"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        env=variables,
    )
    assert done.returncode == 125
    assert "far1: did not answer within 2 s" in done.stderr
    assert time.monotonic() - began_s < 15.0  # the stand-in would take 100
