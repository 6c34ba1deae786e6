"""What a trial has left on its nodes: processes with its tag, and what they have started. `python -m ... TAG`.

Looked for on every node once the trial's own observers have ended what they knew of: a manager that GNU parallel has
started lives on for two minutes after its driver, and a node whose observer was lost has nobody else to look.

Other nodes are looked at by ssh. A site may have none between its nodes, or no ClusterShell: then what was left there
is unknown, which is no fault of the trial's and is told with it. A node that ssh reaches beside others, and that does
not answer, is another matter: nobody knows what still runs there.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from hangprobe.agent.look.fanout import Answers, by_ssh
from hangprobe.ensemble.records import Leftover, Unseen
from hangprobe.errors.base import ExtraMissing
from hangprobe.launch.ending import end_all
from hangprobe.launch.proctree import ENVIRON_LIMIT_S, Job, Process, list_processes, read_within

ANSWER_LIMIT_S = 20.0
"""For a node to look and to end what it finds: a Python start, LEAVE_S, and 10 s for what ignores SIGKILL."""
LEAVE_S = 3.0
"""For what ends by itself once its job is over."""
POLL_S = 0.1
UNREADABLE = f"the environment of some process could not be read within {ENVIRON_LIMIT_S:g} s"
NOBODY = -1
"""A pid below which there is nothing: what is looked for has a tag."""

Ask = Callable[[Sequence[str], Sequence[str], float], Answers]


class Swept(msgspec.Struct, frozen=True):
    """What a sweep came to, on one node or on all."""

    found: tuple[Leftover, ...] = ()
    """Processes that were still there; ended, but for those in `stuck`."""
    stuck: tuple[str, ...] = ()
    """Those that could not be ended, each as "host: pid name (state)"."""
    unseen: tuple[Unseen, ...] = ()
    """Nodes of which nothing can be known here."""
    silent: tuple[Unseen, ...] = ()
    """Nodes that should have answered, and did not."""


def sweep_nodes(tag: str, nodes: Sequence[str], ask: Ask = by_ssh) -> Swept:
    """End what is left of a trial on this node and on the others."""
    here = sweep(tag)
    elsewhere = [node for node in nodes if node != socket.gethostname()]
    return joined(here, sweep_all(tag, elsewhere, ask)) if elsewhere else here


def sweep(tag: str, leave_s: float = LEAVE_S) -> Swept:
    """End what is left on this node after a moment."""
    job, host = Job(NOBODY, tag), socket.gethostname()
    deadline_s = time.monotonic() + leave_s
    while (found := job.find()) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    if not found:
        return Swept() if _are_readable() else Swept(silent=(Unseen(host, UNREADABLE),))
    seen: dict[tuple[int, int], Process] = {process.identity: process for process in found}
    ended = end_all(job, lambda: False, on_stopped=lambda many: seen.update({each.identity: each for each in many}))
    return Swept(
        tuple(Leftover(host, process.pid, process.name) for process in seen.values()),
        tuple(f"{host}: {process.pid} {process.name} ({process.state})" for process in ended.left),
    )


def sweep_all(tag: str, hosts: Sequence[str], ask: Ask = by_ssh) -> Swept:
    """Do the same on every host by ssh."""
    command = (sys.executable, "-m", "hangprobe.ensemble.leftovers", tag)
    package = str(Path(__file__).parents[2])
    try:
        answers = ask(hosts, ("env", f"PYTHONPATH={package}", *command), ANSWER_LIMIT_S)
    except ExtraMissing as error:
        return Swept(unseen=tuple(Unseen(host, str(error)) for host in hosts))
    heard: list[Swept] = []
    silent: list[Unseen] = []
    refused = 0
    for host, answer in answers.items():
        try:
            heard.append(msgspec.json.decode(answer if isinstance(answer, bytes) else b"", type=Swept))
        except msgspec.DecodeError:
            refused += isinstance(answer, str) and answer.startswith("ssh")
            silent.append(Unseen(host, answer if isinstance(answer, str) else answer.decode(errors="replace")[-200:]))
    is_closed = refused == len(answers)  # ssh itself was refused by all: it is no way to these nodes
    return joined(*heard, Swept(unseen=tuple(silent)) if is_closed else Swept(silent=tuple(silent)))


def joined(*parts: Swept) -> Swept:
    """Return what several sweeps came to."""
    return Swept(
        tuple(each for part in parts for each in part.found),
        tuple(each for part in parts for each in part.stuck),
        tuple(each for part in parts for each in part.unseen),
        tuple(each for part in parts for each in part.silent),
    )


def _are_readable() -> bool:
    """Tell whether the environments of this node's processes can be read: else that none has the tag says nothing."""
    _, in_time = read_within(ENVIRON_LIMIT_S, (f"/proc/{pid}/environ" for pid in list_processes()))
    return in_time


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(sweep(sys.argv[1])))
