"""A real Slurm on a testbed (Debian's slurm-wlm and munge): a slurmd each node, slurmctld and munged on login.

One munged serves all nodes: its socket is a file in the folder that they share. Configuration: layout.py.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from hangprobe.errors.tools import TestbedFailed
from hangprobe.testbed.layout import INSIDE, LOGS, MUNGE, node_name
from hangprobe.testbed.tools import find, last_words

CONTROLLER_PORT = 6817
KEY_BYTES = 128
PAUSE_S = 0.02
LOG = Path(INSIDE, "site.log")  # of everything on the login node

Start = Callable[[tuple[str, ...]], object]


def start_on_login(start: Start, deadline_s: float) -> None:
    """Start munged and slurmctld, and wait until they listen. Raises TestbedFailed."""
    for folder in (MUNGE, f"{INSIDE}/slurm"):
        os.mkdir(folder, 0o700)
    key = Path(MUNGE, "key")
    key.touch(0o600)
    key.write_bytes(secrets.token_bytes(KEY_BYTES))
    # --force: it dislikes folders that others could enter, and a socket that others could not
    files = [f"--{name}-file={MUNGE}/{name}" for name in ("key", "pid", "seed", "log")]
    start((_path("munged"), "--foreground", "--force", f"--socket={MUNGE}/socket", *files))
    _wait(lambda: Path(MUNGE, "socket").exists(), "munged", LOG, deadline_s)
    start((_path("slurmctld"), "-D", "-i"))
    _wait(_has_controller, "slurmctld", LOG, deadline_s)


def start_on_node(start: Start) -> None:
    """Start a node's slurmd."""
    start((_path("slurmd"), "-D"))


def wait_until_ready(nodes: int, deadline_s: float) -> None:
    """Wait until all nodes are idle. Raises TestbedFailed."""
    _wait(lambda: _idle_nodes() == nodes, "slurmd of every node", Path(LOGS, node_name(1)), deadline_s)


def _path(program: str) -> str:
    return find(program) or program


def _has_controller() -> bool:
    with socket.socket() as link:
        link.settimeout(1.0)
        return link.connect_ex(("127.0.0.1", CONTROLLER_PORT)) == 0


def _idle_nodes() -> int:
    asked = [_path("sinfo"), "--noheader", "--Node", "--format=%T"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False)
    return done.stdout.split().count("idle")


def _wait(is_ready: Callable[[], bool], what: str, log: Path, deadline_s: float) -> None:
    while not is_ready():
        if time.monotonic() > deadline_s:
            raise TestbedFailed(f"{what} did not answer ({last_words(log)})")
        time.sleep(PAUSE_S)
