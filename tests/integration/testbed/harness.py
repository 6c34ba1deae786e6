"""What the tests of testbeds share: names that collide with nobody's, and a look at what is left of one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.ending import inhabitants
from hangprobe.testbed.state import State, folder_of, start_time

REPOSITORY = Path(__file__).parents[3]
LIMIT_S = 30.0
HANGPROBE = (sys.executable, "-m", "hangprobe", "testbed")


def own_name(what: str) -> str:
    """Return the name of a testbed of this test run."""
    return f"test-{os.getpid()}-{what}"


def say(bed: Testbed, node: str, *command: str, stdin: str = "") -> str:
    """Return what a command prints on a node, without the last line's end."""
    done = subprocess.run(
        bed.command(node, command, cwd=REPOSITORY),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.rstrip("\n")


def command_line(*words: str, cwd: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """Run `hangprobe testbed`."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [*HANGPROBE, *words]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def left_of(name: str, known: State) -> list[str]:
    """Return what is left of a testbed: processes in its namespaces, those that kept it, its folder."""
    keepers = ((known.owner_pid, known.owner_start_time), (known.site_pid, known.site_start_time))
    left = [f"process {pid}" for pid, started in keepers if start_time(pid) == started]
    left += [f"process {pid}" for pid in inhabitants(known.networks)]
    return left + [str(folder) for folder in [folder_of(name)] if folder.exists()]


def first_of_login(known: State) -> int:
    """Return the first process of the login node, as seen from outside."""
    namespace = os.readlink(f"/proc/{known.site_pid}/ns/pid_for_children")
    pids = Path(f"/proc/{known.site_pid}/task/{known.site_pid}/children").read_text().split()
    return next(int(pid) for pid in pids if os.readlink(f"/proc/{pid}/ns/pid") == namespace)


def wait_until(is_true: Callable[[], object], what: str) -> None:
    """Wait for a handshake."""
    deadline = time.monotonic() + LIMIT_S
    while not is_true():
        assert time.monotonic() < deadline, f"waited {LIMIT_S} s for {what}"
        time.sleep(0.01)


def outside() -> Sequence[object]:
    """Return what a testbed must not touch: the machine's links, mounts and files of names and accounts."""
    names = [Path("/etc/hosts"), Path("/etc/passwd"), Path("/etc/resolv.conf"), Path("/etc/ssh")]
    files = [(str(name), name.stat().st_mtime_ns) for name in names if name.exists()]
    mounts = sorted(line.split(" ", 3)[3] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return (sorted(os.listdir("/sys/class/net")), mounts, files, os.uname().nodename)
