"""`watch`: silent while all is well, 124 for a proven hang, and the command's own status in every other case."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from hangprobe.launch.proctree import descendants, list_processes
from tests.integration.launch.harness import is_gone, terminal, wait_until

from .document import faults
from .harness import HANGPROBE, PROGRAMS, REPRODUCERS, Running, hangprobe, read, running, shell
from .leftovers import nothing_left_behind

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

PYTHON = sys.executable
HUNG = str(PROGRAMS / "hung.py")
PATIENT = str(PROGRAMS / "patient.py")
BCAST = ("mpiexec", "-n", "4", "python", str(REPRODUCERS / "bcast_under_lock.py"))


def switches(pid: int) -> int:
    """Return how often a process has gone to sleep by itself."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("voluntary")]
    return int(line.split()[1])


def wait_until_slept(watch: Running, times: int) -> None:
    """Wait until hangprobe has gone to sleep so many times more: once or a few times a sample."""
    enough = switches(watch.pid) + times
    wait_until(lambda: watch.popen.poll() is not None or switches(watch.pid) > enough, f"{times} sleeps")


@pytest.mark.parametrize("status", [0, 3])
def test_healthy_command_is_passed_through_without_a_word(status: int, tmp_path: Path) -> None:
    done = hangprobe("watch", "--", "sh", "-c", f"exit {status}", folder=tmp_path)
    assert (done.status, done.stdout, done.stderr) == (status, "", "")
    assert list(tmp_path.iterdir()) == []


def test_output_is_the_commands_own(tmp_path: Path) -> None:
    done = hangprobe("watch", "--", "sh", "-c", "echo out; echo err >&2; kill -KILL $$", folder=tmp_path)
    assert (done.status, done.stdout, done.stderr) == (137, "out\n", "err\n")


def test_out_is_written_even_if_all_is_well(tmp_path: Path) -> None:
    done = hangprobe("watch", "--out", "here", "--json", "doc", "--", "false", folder=tmp_path)
    document = read(tmp_path / "doc")
    assert (done.status, done.stdout, done.stderr) == (1, "", "")
    assert faults(document) == []
    assert (document["verdict"], document["exit_status"], document["launcher"]) == ("failed", 1, "none")
    assert read(tmp_path / "here" / "result.json") == document


STALL = ("watch", "--stall-after", "0.3", "--interval", "0.05", "--json", "doc")


def test_stall_is_told_and_left_alone_and_forgotten_when_the_command_goes_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in")
    with running(tmp_path, *STALL, "--", "sh", "-c", "exec 3<>in; read line <&3; sleep 1") as watch:
        watch.wait_until_said("stall: rank 0: no thread has run for")
        (tmp_path / "in").write_text("go on\n")
        done, document = watch.wait(), read(tmp_path / "doc")
    assert (done.status, document["verdict"], document["findings"]) == (0, "ok", [])
    assert list(tmp_path.glob("hangprobe-results/*")) == []


def test_stall_is_ended_where_asked(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in")
    words = (*STALL, "--on-stall", "kill", "--grace", "0.2", "--", "sh", "-c", "exec 3<>in; read line <&3")
    done = hangprobe(*words, folder=tmp_path)
    document = read(tmp_path / "doc")
    assert done.status == 124
    assert (document["verdict"], document["tier"], document["ended_by"]) == ("stall", "stalled", "hangprobe")
    assert [rank["state"] for rank in document["ranks"]] == ["stalled"]


def test_hung_mpi_job_is_ended_and_explained_on_stderr(tmp_path: Path) -> None:
    done = hangprobe("watch", "--grace", "0.5", "--json", "doc", "--", *BCAST, folder=tmp_path, limit_s=15)
    document = read(tmp_path / "doc")
    assert done.status == 124
    assert "HANG (proven)" in done.stderr
    assert "hangprobe" not in done.stdout
    assert faults(document) == []
    assert (document["verdict"], document["tier"], document["ended_by"]) == ("hang", "proven", "hangprobe")
    assert document["launcher"] == "hydra"
    assert [finding["ranks"] for finding in document["findings"]] == ["1-3"]
    assert read(done.results / "result.json") == document


@pytest.mark.parametrize(
    "command",
    [(PYTHON, HUNG), ("sh", "-c", f"{PYTHON} {HUNG}; true")],
    ids=["plain", "behind a shell"],
)
def test_hung_program_without_mpi_is_rank_0(command: tuple[str, ...], tmp_path: Path) -> None:
    done = hangprobe("watch", "--grace", "0.5", "--json", "doc", "--", *command, folder=tmp_path, limit_s=15)
    document = read(tmp_path / "doc")
    assert done.status == 124
    assert faults(document) == []
    assert (document["verdict"], document["tier"], document["launcher"]) == ("hang", "proven", "none")
    assert [(rank["rank"], rank["state"]) for rank in document["ranks"]] == [(0, "proven")]
    (finding,) = document["findings"]
    assert (finding["mechanism"], finding["ranks"]) == ("fork-orphaned-lock", "0")
    (culprit,) = finding["processes"]
    assert culprit["pid"] == int((tmp_path / "child").read_text())
    assert document["ranks"][0]["pid"] != culprit["pid"]


def test_a_hang_is_believed_beside_a_waiting_thread_after_the_window_and_ended_once_that_is_gone(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "beside")
    options = ("--interval", "0.05", "--grace", "0", "--stall-after", "1")
    with running(tmp_path, "watch", *options, "--", PYTHON, HUNG, "beside") as watch:
        watch.wait_until_said("hang (proven)")
        wait_until_slept(watch, 20)
        assert watch.popen.poll() is None
        (tmp_path / "beside").write_bytes(b"")
        assert watch.wait(15).status == 124


def test_hang_that_is_only_reported_keeps_the_commands_status(tmp_path: Path) -> None:
    options = ("--on-hang", "report", "--grace", "0", "--json", "doc", "--out", "here")
    with running(tmp_path, "watch", *options, "--", PYTHON, HUNG) as watch:
        watch.wait_until_said("hang (proven)")
        os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)
        done = watch.wait()
    document = read(tmp_path / "doc")
    assert done.status == 7
    assert faults(document) == []
    assert (document["verdict"], document["exit_status"], document["ended_by"]) == ("failed", 7, "itself")
    assert [(each["tier"], each["recovered"]) for each in document["findings"]] == [("proven", True)]
    assert {rank["state"] for rank in document["ranks"]} == {"exited"}
    assert read(tmp_path / "here" / "result.json") == document


def test_mpi_job_whose_hung_children_are_killed_goes_on(tmp_path: Path) -> None:
    job = ("mpiexec", "-n", "2", "python", str(REPRODUCERS / "thread_lock.py"))
    with running(tmp_path, "watch", "--on-hang", "report", "--json", "doc", "--out", "here", "--", *job) as watch:
        watch.wait_until_said("hang (proven): ranks 0-1")
        table = list_processes()
        tree = [table[pid] for pid in descendants(table, {watch.pid})]
        ranks = {each.pid for each in tree if table[each.ppid].name == "hydra_pmi_proxy"}
        for child in [each.pid for each in tree if each.ppid in ranks]:
            os.kill(child, signal.SIGKILL)
        done = watch.wait()
    document = read(tmp_path / "doc")
    assert done.status == 0
    assert "rank 0 done" in done.stdout
    assert "rank 1 done" in done.stdout
    assert (document["verdict"], document["launcher"]) == ("ok", "hydra")
    assert [finding["recovered"] for finding in document["findings"] if finding["tier"] == "proven"] == [True]


@pytest.mark.parametrize(("how", "sleeps"), [("pause", 50), ("event", 100), ("child", 100)])
def test_command_that_waits_for_a_signal_is_never_ended(how: str, sleeps: int, tmp_path: Path) -> None:
    options = ("--interval", "0.05", "--grace", "0", "--json", "doc")
    with running(tmp_path, "watch", *options, "--", PYTHON, PATIENT, how) as watch:
        wait_until((tmp_path / "ready").exists, "the program")
        wait_until_slept(watch, sleeps)
        watch.popen.terminate()
        done = watch.wait()
    document = read(tmp_path / "doc")
    assert document["watched"]["samples"] >= 20
    assert (done.status, done.stdout, done.stderr) == (0, "left in an orderly way\n", "")
    assert faults(document) == []
    assert (document["verdict"], document["ended_by"], document["exit_status"]) == ("ok", "itself", 0)


def test_daemon_left_behind_is_ended(tmp_path: Path) -> None:
    script = (
        "env -i setsid sh -c 'echo $$ >pid.part; mv pid.part daemon; exec sleep 600' & until test -e daemon; do :; done"
    )
    done = hangprobe("watch", "--", "bash", "-c", f"{script}; exit 3", folder=tmp_path)
    assert is_gone({int((tmp_path / "daemon").read_text())})
    assert (done.status, done.stdout, done.stderr) == (3, "", "")


def test_terminated_mpi_job_leaves_no_shared_memory(tmp_path: Path) -> None:
    with nothing_left_behind(), running(tmp_path, "watch", "--on-hang", "report", "--", *BCAST) as watch:
        watch.wait_until_said("hang (proven)")
        watch.popen.terminate()
        watch.wait()


def test_ctrl_c_ends_the_command_as_it_would_alone(tmp_path: Path) -> None:
    with terminal(HANGPROBE, "watch", "--", "sh", "-c", "echo ready; exec sleep 600", folder=tmp_path) as tty:
        tty.expect("ready\r\n")
        tty.send("\x03")
        os.waitid(os.P_PID, tty.pid, os.WEXITED | os.WNOWAIT)
        assert "hangprobe" not in tty.seen
        assert tty.close() == -signal.SIGINT


def test_ctrl_c_leaves_the_shell_with_130(tmp_path: Path) -> None:
    with terminal("bash", "--norc", "--noprofile", "-i", folder=tmp_path) as tty:
        tty.expect("prompt> ")
        tty.send(f"{HANGPROBE} watch -- sh -c 'touch ready; exec sleep 600'\n")
        wait_until((tmp_path / "ready").exists, "the command")
        tty.send("\x03")
        tty.expect("prompt> ")
        tty.send("echo status=$?\n")
        tty.expect("status=130\r\n")


def test_question_on_the_terminal_can_be_answered(tmp_path: Path) -> None:
    script = 'read -p "name? " name; echo "hello $name"; test -t 0 -a -t 1 -a -t 2; exit $?'
    with terminal(HANGPROBE, "watch", "--", "bash", "-c", script, folder=tmp_path) as tty:
        tty.expect(r"name\? ")
        tty.send("world\n")
        tty.expect("hello world\r\n")
        os.waitid(os.P_PID, tty.pid, os.WEXITED | os.WNOWAIT)
        assert tty.close() == 0


def test_reader_that_leaves_early_ends_the_command_as_it_would_alone(tmp_path: Path) -> None:
    done = shell('"$0" watch -- yes | head -1; echo "${PIPESTATUS[@]}"', tmp_path)
    assert (done.stdout, done.stderr) == ("y\n141 0\n", "")
