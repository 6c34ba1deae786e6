"""What an application can see of itself, and how one run of it is compared with another."""

from __future__ import annotations

import dataclasses
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hangprobe.agent.link.linkfile import LinkFile
from hangprobe.agent.wrapping.words import prefix

LIMIT_S = 60.0
FILES = ("status", "stat", "limits", "cgroup", "cpuset", "oom_score_adj", "timerslack_ns", "personality", "cmdline")
VARYING = re.compile(
    r"(Tgid|Pid|PPid|NSpid|NStgid|NSpgid|NSsid|Vm\w+|Rss\w+|HugetlbPages|\w+_ctxt_switches|Mems_allowed\w*|SigQ):.*\n"
)
"""Lines of status that differ between any two runs; SigQ counts what is queued for all processes of a user."""
STAT = {"tty": 4, "priority": 15, "nice": 16, "threads": 17, "rt_priority": 37, "policy": 38}
"""Fields of /proc/PID/stat after the name, counted from 0 with the state: proc(5)."""


def link(folder: Path, python: Path | str = "/bin/false", **changes: object) -> Path:
    """Write a link file to a head that is not there."""
    made = LinkFile(
        job=f"test-{os.getpid()}-{folder.name}"[:64],
        addresses=("127.0.0.1:1",),
        server_public="s" * 40,
        client_public="c" * 40,
        client_secret="x" * 40,
        head_host=socket.gethostname(),
        head_pid=2**22 + 1,
        head_start_time=1,
        python=str(python),
    )
    path = folder / "link"
    dataclasses.replace(made, **changes).write(path)  # type: ignore[arg-type]
    return path


def words(link_file: Path, shell: str = "/bin/sh", python: str = sys.executable) -> tuple[str, ...]:
    """Return what stands before the application, with another /bin/sh than the system's."""
    return (shell, *prefix(link_file, python)[1:])


def run(command: Sequence[str | bytes], **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    options = {"stdin": subprocess.DEVNULL, **options}
    return subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False, **options)  # type: ignore


def environment(before: Callable[[Sequence[str]], Sequence[str]], **options: object) -> list[bytes]:
    """Return the environment of an application, in its order; `before` makes the whole command of its words."""
    return run(before(["cat", "/proc/self/environ"]), **options).stdout.split(b"\0")


def attributes(before: Callable[[Sequence[str]], Sequence[str]], **options: object) -> dict[str, str]:
    """Return what an application is, by the name of the file in /proc/self, without what differs between two runs."""
    files = [f"/proc/self/{name}" for name in FILES]
    shown = run(before(["head", "-v", "-c", "100000", *files]), **options).stdout.decode(errors="surrogateescape")
    parts = re.split(r"^==> /proc/self/(\w+) <==\n", shown, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert found.keys() >= set(FILES) - {"cpuset"}, shown[:2000]
    found["status"] = VARYING.sub("", found["status"])
    pid, _, fields = found["stat"].partition(" (head) ")
    values = fields.split()
    found["stat"] = " ".join(f"{name}={values[place]}" for name, place in STAT.items())
    found["stat"] += f" leads group={values[2] == pid} session={values[3] == pid}"
    found["descriptors"] = _places(run(before(["ls", "-l", "/proc/self/fd"]), **options).stdout)
    here = run(before(["readlink", *(f"/proc/self/{name}" for name in ("cwd", "root", "ns/pid", "ns/net"))]), **options)
    return {**found, "places": here.stdout.decode()}


def _places(listing: bytes) -> str:
    """Return permissions, number and kind of each descriptor from a listing."""
    rows = re.findall(r"^l(\S+) .* (\d+ -> .*)$", listing.decode(), flags=re.MULTILINE)
    lines = [f"{mode} {target}" for mode, target in rows]
    return "\n".join(sorted(re.sub(r"\[\d+\]|/proc/\d+|/dev/pts/\d+|/par\w+\.par", "", line) for line in lines))
