"""`doctor` tries everything on real processes, says what is missing, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path

import psutil
import pytest

from hangprobe.doctor.gather.processes import process_facts, reads
from hangprobe.doctor.gather.subjects import CHILD, ORPHAN, is_descendant, waiting
from hangprobe.observe.reader import Reader
from tests.integration.launch.harness import wait_until

from .harness import hangprobe, read, running, shell

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

NEEDED = {"python", "machine", "child-files", "kcmp", "proves-a-hang", "clears-a-look-alike"}


def script(folder: Path, name: str, text: str) -> None:
    """Put a program of this name first on PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def is_watching(pid: int) -> bool:
    """Tell whether the self-test has come to its second program."""
    words: list[str] = []
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            words += child.cmdline()
    return any(word.endswith("/parked_helper.py") for word in words)


def test_this_machine_is_fit_and_each_lack_has_a_remedy(tmp_path: Path) -> None:
    done = hangprobe("doctor", "--json", "doctor.json", folder=tmp_path)
    assert done.status == 0, done.stdout
    document = read(tmp_path / "doctor.json")
    assert (document["schema"], document["is_fit"]) == ("hangprobe.doctor/1", True)
    checks = {check["slug"]: check for check in document["checks"]}
    assert {checks[slug]["state"] for slug in NEEDED} == {"ok"}
    assert checks["mpi-library"]["state"] == "ok"
    assert checks["other-processes"]["state"] != "unknown"
    lacking = [check for check in document["checks"] if check["state"] in {"limited", "missing"}]
    assert [check["slug"] for check in lacking if not (check["enables"] and check["remedy"])] == []
    assert [slug for slug in checks if slug not in done.stdout] == []
    assert [check["remedy"] for check in lacking if check["remedy"] not in done.stdout] == []
    assert os.listdir(tmp_path) == ["doctor.json"]


def test_without_the_self_test_nothing_is_watched_and_stdout_is_the_document(tmp_path: Path) -> None:
    done = hangprobe("doctor", "--no-self-test", "--json", "-", folder=tmp_path)
    document = json.loads(done.stdout)
    assert done.status == 0
    assert {check["subject"] for check in document["checks"]} >= {"python", "proof", "mpi", "nodes", "compare"}
    assert not any(check["subject"] == "self-test" for check in document["checks"])
    assert "fit, but not tried: " in done.stderr


def test_programs_that_hang_or_are_others_of_that_name_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path / "bin", "parallel", "sleep 600 & sleep 600")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    done = hangprobe("doctor", "--no-self-test", folder=tmp_path)
    assert done.status == 0
    assert "no answer within 3 s" in done.stdout
    script(tmp_path / "bin", "parallel", "echo 'parallel [OPTIONS] command -- arguments'; exit 1")
    assert "another program of that name" in hangprobe("doctor", "--no-self-test", folder=tmp_path).stdout


def test_a_launcher_that_does_not_fit_the_library_is_told_by_the_size_of_a_job(tmp_path: Path) -> None:
    script(tmp_path / "bin", "mpiexec", '[ "$1" = --version ] && exit; shift 2; "$@" & "$@"; wait')
    launcher = str(tmp_path / "bin" / "mpiexec")
    done = hangprobe("doctor", "--no-self-test", "--mpiexec", launcher, "--json", "-", folder=tmp_path)
    states = {check["slug"]: (check["state"], check["says"]) for check in json.loads(done.stdout)["checks"]}
    assert states["mpiexec"][0] == "limited"
    assert states["mpi-library"][0] == "missing"
    assert states["mpi-library"][1].startswith("2 jobs of size 1 of MPICH")
    assert done.status == 0  # `watch` and `attach` need no launcher


def test_wrong_usage_and_an_unwritable_document_are_refused_before_anything_starts(tmp_path: Path) -> None:
    assert hangprobe("doctor", "--nonsense", folder=tmp_path).status == 2
    refused = hangprobe("doctor", "--json", "no/such/folder/x", folder=tmp_path)
    assert (refused.status, refused.stdout) == (125, "")


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    done = shell('"$0" doctor --no-self-test | head -1', tmp_path)
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith("python ")


def test_quiet_says_nothing_but_its_status(tmp_path: Path) -> None:
    done = hangprobe("doctor", "--quiet", "--no-self-test", folder=tmp_path)
    assert (done.status, done.stdout) == (0, "")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_ended_in_its_self_test_it_leaves_nothing(signum: int, tmp_path: Path) -> None:
    with running(tmp_path, "doctor") as doctor:
        wait_until(lambda: is_watching(doctor.pid), "the self-test")
        doctor.popen.send_signal(signum)
        assert doctor.wait().status == 128 + signum


def test_the_two_processes_to_look_at_are_what_they_should_be() -> None:
    with waiting(CHILD) as child, waiting(ORPHAN) as orphan:
        assert is_descendant(child)
        assert psutil.Process(orphan).ppid() not in {child, os.getpid()} or is_descendant(orphan)  # a subreaper's
        found = reads(Reader(), child)
        assert (found.failed, found.wait) == ({}, "")
    assert [pid for pid in (child, orphan) if Path(f"/proc/{pid}").exists()] == []


def test_a_proc_in_which_nothing_can_be_read_is_told_file_by_file(tmp_path: Path) -> None:
    found = reads(Reader(str(tmp_path)), os.getpid())
    assert found.failed.keys() >= {"stat", "status", "syscall", "wchan", "schedstat", "maps", "fd", "fdinfo"}
    assert found.wait == "cannot be read"


def test_facts_of_processes_can_be_had_again_and_again() -> None:
    assert process_facts() == process_facts()
