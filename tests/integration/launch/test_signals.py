"""Signals that somebody sends reach the command once, and end the job when they must."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from hangprobe.errors.jobs import CommandNotStarted
from hangprobe.launch.proctree import read_process
from hangprobe.launch.session import Capture, LaunchSpec, Session

from .harness import DRIVER, is_gone, terminal, wait_until, watched

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

# Counts a signal until told to stop.
COUNTER = """
n=0; trap 'n=$((n+1)); echo >got' {name}; echo >ready
while [ ! -e stop ]; do sleep 0.02; done
echo "got $n"; exit 7
"""


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"])
def test_signal_sent_to_hangprobe_alone_is_relayed_once(name: str, tmp_path: Path) -> None:
    with watched(tmp_path, "bash", "-c", COUNTER.format(name=name), ready="ready") as driver:
        os.kill(driver.pid, getattr(signal, f"SIG{name}"))
        wait_until((tmp_path / "got").exists, "the signal")
        (tmp_path / "stop").touch()
        assert driver.wait() == 7
    assert (tmp_path / "out").read_text() == "got 1\n"


def test_death_by_a_relayed_signal_shows_in_the_status(tmp_path: Path) -> None:
    with watched(tmp_path, "sleep", "600") as driver:
        os.kill(driver.pid, signal.SIGTERM)
        assert driver.popen.wait(20) == -signal.SIGTERM


def test_second_interrupt_within_two_seconds_ends_the_tree(tmp_path: Path) -> None:
    with watched(tmp_path, "bash", "-c", COUNTER.format(name="INT"), ready="ready") as driver:
        os.kill(driver.pid, signal.SIGINT)
        wait_until((tmp_path / "got").exists, "the first interrupt")
        os.kill(driver.pid, signal.SIGINT)
        assert driver.wait() == 130
        assert is_gone({driver.command})


def test_stop_and_continue_sent_to_hangprobe_reach_the_command(tmp_path: Path) -> None:
    with watched(tmp_path, "sleep", "600") as driver:
        # Its group is orphaned (a session of its own), where the kernel ignores SIGTSTP: SIGSTOP the command instead.
        os.kill(driver.command, signal.SIGSTOP)
        wait_until(lambda: state(driver.command) == "T", "the stop")
        os.kill(driver.pid, signal.SIGCONT)
        wait_until(lambda: state(driver.command) == "S", "the continuation")
        os.kill(driver.pid, signal.SIGTERM)
        assert driver.wait() == 143


def state(pid: int) -> str:
    process = read_process(pid)
    return process.state if process else "gone"


def test_ctrl_c_reaches_the_command_once(tmp_path: Path) -> None:
    with terminal("bash", "--norc", "--noprofile", "-i", folder=tmp_path) as tty:
        tty.expect("prompt> ")
        script = tmp_path / "counter"
        script.write_text(COUNTER.format(name="INT"))
        tty.send(f"{' '.join(DRIVER)} -- bash {script}\n")
        wait_until((tmp_path / "ready").exists, "ready")
        tty.send("\x03")
        wait_until((tmp_path / "got").exists, "the interrupt")
        time.sleep(0.2)  # a second one, wrongly relayed, would come now
        (tmp_path / "stop").touch()
        tty.expect("got 1\r\n")
        tty.send("echo status=$?\n")
        tty.expect("status=7\r\n")


def test_ctrl_c_ends_a_plain_command_with_130(tmp_path: Path) -> None:
    with terminal("bash", "--norc", "--noprofile", "-i", folder=tmp_path) as tty:
        tty.expect("prompt> ")
        tty.send(f"{' '.join(DRIVER)} --pids pids -- sleep 600\n")
        wait_until((tmp_path / "pids").exists, "the driver")
        tty.send("\x03")
        tty.expect("prompt> ")
        tty.send("echo status=$?\n")
        tty.expect("status=130\r\n")


def test_two_ctrl_c_end_a_stubborn_command(tmp_path: Path) -> None:
    with terminal("bash", "--norc", "--noprofile", "-i", folder=tmp_path) as tty:
        tty.expect("prompt> ")
        (tmp_path / "counter").write_text(COUNTER.format(name="INT"))
        tty.send(f"{' '.join(DRIVER)} --pids pids -- bash counter\n")
        wait_until((tmp_path / "ready").exists, "ready")
        wait_until((tmp_path / "pids").exists, "the driver")
        tty.send("\x03")
        wait_until((tmp_path / "got").exists, "the first interrupt")
        # A second one would merge with the first while that is still pending.
        status = Path("/proc", (tmp_path / "pids").read_text().split()[0], "status")
        wait_until(lambda: "ShdPnd:\t0000000000000000" in status.read_text(), "hangprobe to read it")
        tty.send("\x03")
        tty.expect("prompt> ")
        tty.send("echo status=$?\n")
        tty.expect("status=130\r\n")


def test_ctrl_z_stops_both_and_fg_continues_both(tmp_path: Path) -> None:
    with terminal("bash", "--norc", "--noprofile", "-i", folder=tmp_path) as tty:
        tty.expect("prompt> ")
        tty.send(f"{' '.join(DRIVER)} --pids pids -- sh -c 'echo asking; read line; echo got $line; exit 3'\n")
        tty.expect("asking\r\n")
        wait_until((tmp_path / "pids").exists, "the driver")
        pid, guardian, command = (int(word) for word in (tmp_path / "pids").read_text().split())
        tty.send("\x1a")
        tty.expect("Stopped")
        wait_until(lambda: (state(pid), state(command)) == ("T", "T"), "both to stop")
        assert state(guardian) != "T"
        tty.expect("prompt> ")
        tty.send("fg\n")
        wait_until(lambda: (state(pid), state(command)) == ("S", "S"), "both to continue")
        tty.send("answer\n")
        tty.expect("got answer\r\n")
        tty.expect("prompt> ")
        tty.send("echo status=$?\n")
        tty.expect("status=3\r\n")


def test_stop_sent_to_hangprobe_stops_the_command_too(tmp_path: Path) -> None:
    with terminal("bash", "--norc", "--noprofile", "-i", folder=tmp_path) as tty:
        tty.expect("prompt> ")
        tty.send(f"{' '.join(DRIVER)} --pids pids -- sleep 600\n")
        wait_until((tmp_path / "pids").exists, "the driver")
        pid, _, command = (int(word) for word in (tmp_path / "pids").read_text().split())
        os.kill(pid, signal.SIGTSTP)
        tty.expect("Stopped")
        wait_until(lambda: (state(pid), state(command)) == ("T", "T"), "both to stop")
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: (state(pid), state(command)) == ("S", "S"), "both to continue")
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: is_gone({pid, command}), "both to end")


def test_ctrl_z_without_a_job_control_shell_stops_nobody(tmp_path: Path) -> None:
    with terminal(*DRIVER, "--pids", "pids", "--", "cat", folder=tmp_path) as tty:
        wait_until((tmp_path / "pids").exists, "the driver")
        tty.send("\x1a")
        tty.send("hello\n")
        tty.expect("hello\r\n(.*)hello\r\n")
        tty.send("\x04")
        assert os.waitid(os.P_PID, tty.pid, os.WEXITED | os.WNOWAIT).si_status == 0  # type: ignore[union-attr]


def test_hang_up_ends_command_and_hangprobe(tmp_path: Path) -> None:
    with terminal(*DRIVER, "--pids", "pids", "--", "sleep", "600", folder=tmp_path) as tty:
        wait_until((tmp_path / "pids").exists, "the driver")
        pids = {int(word) for word in (tmp_path / "pids").read_text().split()}
        assert tty.close() == -signal.SIGHUP
        wait_until(lambda: is_gone(pids), "all three to end")


def test_captured_job_has_its_own_session_and_files(tmp_path: Path) -> None:
    capture = Capture(tmp_path / "out", tmp_path / "err")
    script = "echo out; echo err >&2; cat; echo $HANGPROBE_JOB $COLOUR; pwd; cut -d' ' -f6 /proc/$$/stat; exit 4"
    spec = LaunchSpec(("sh", "-c", script), "captured", {"COLOUR": "red"}, tmp_path, capture)
    with Session(spec) as session:
        wait_until(lambda: session.poll(), "the end")
        assert session.poll().status == 4  # type: ignore[union-attr]
    assert (tmp_path / "err").read_text() == "err\n"
    assert (tmp_path / "out").read_text() == f"out\ncaptured red\n{tmp_path}\n{session.command_pid}\n"


@pytest.mark.parametrize(
    ("spec", "status", "says"),
    [
        (LaunchSpec(("no-such-command",), "t"), 127, "No such file"),
        (LaunchSpec(("/etc/passwd",), "t"), 126, "Permission denied"),
        (LaunchSpec(("true",), "t", cwd=Path("/no/such")), 126, "cannot enter /no/such"),
        (LaunchSpec(("true",), "t", capture=Capture(Path("/no/out"), Path("/no/err"))), 126, "cannot open its files"),
    ],
)
def test_command_that_cannot_start_says_why(spec: LaunchSpec, status: int, says: str) -> None:
    with pytest.raises(CommandNotStarted, match=says) as caught:
        Session(spec)
    assert caught.value.status == status
