"""What a trial has left on a node: processes with its tag in their environment. `python -m ... TAG [--end]`.

Run on every node once the trial's own observers have ended what they knew of: a manager that GNU parallel has started
lives on for two minutes after its driver, and a node whose observer was lost has nobody else to look.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from hangprobe.agent.look.fanout import by_ssh
from hangprobe.ensemble.records import Leftover
from hangprobe.launch.ending import send
from hangprobe.launch.proctree import Process, read_process

ANSWER_LIMIT_S = 20.0
"""For a node to look: a Python start and one environment a process."""
LEAVE_S = 3.0
"""For what ends by itself once its job is over."""
POLL_S = 0.1


def find(tag: str) -> Iterator[Process]:
    """Yield the processes of this node that carry a tag, but for this one and its ancestors."""
    own = {os.getpid(), os.getppid()}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in own:
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"HANGPROBE_JOB=" + tag.encode() in variables:
            process = read_process(int(entry.name))
            if process is not None and process.is_alive:
                yield process


def sweep(tag: str) -> list[Leftover]:
    """End what is left on this node after a moment, and return what that was."""
    deadline_s = time.monotonic() + LEAVE_S
    while (found := list(find(tag))) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    for process in found:
        send(process, signal.SIGKILL)
    return [Leftover(socket.gethostname(), process.pid, process.name) for process in found]


def sweep_all(tag: str, hosts: Sequence[str]) -> tuple[list[Leftover], dict[str, str]]:
    """Do the same on every host by ssh; return also which did not answer, and why."""
    command = (sys.executable, "-m", "hangprobe.ensemble.leftovers", tag)
    package = str(Path(__file__).parents[2])
    answers = by_ssh(hosts, ("env", f"PYTHONPATH={package}", *command), ANSWER_LIMIT_S)
    found: list[Leftover] = []
    silent: dict[str, str] = {}
    for host, answer in answers.items():
        try:
            found += msgspec.json.decode(answer if isinstance(answer, bytes) else b"", type=list[Leftover])
        except msgspec.DecodeError:
            silent[host] = answer if isinstance(answer, str) else answer.decode(errors="replace")[-200:]
    return found, silent


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(sweep(sys.argv[1])))
