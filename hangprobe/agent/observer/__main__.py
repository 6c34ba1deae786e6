"""`python -m hangprobe.agent.observer`: the process that watches one node for one job.

It is started by `agent/wrapping/rank.py`, detached, once the job has run for a moment. Nobody has to end it: it
leaves when the head says so, and by itself once the job is known to be over.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import sys
from pathlib import Path

from hangprobe.agent.link import line as observer_link
from hangprobe.agent.link.linkfile import LinkFile
from hangprobe.agent.link.messages import BESIDE
from hangprobe.agent.observer.nodejob import NodeJob
from hangprobe.agent.observer.observing import Observer
from hangprobe.agent.observer.parent import Parent
from hangprobe.agent.observer.registry import RankAt, Registry
from hangprobe.agent.wrapping import seat
from hangprobe.agent.wrapping.become import is_parent_needed
from hangprobe.launch.proctree import Identity
from hangprobe.observe.crew import Crew


def main(arguments: list[str] | None = None) -> int:
    """Observe this node until the job is over."""
    parser = argparse.ArgumentParser(prog="python -m hangprobe.agent.observer", description=__doc__.partition("\n")[0])
    parser.add_argument("--link", type=Path, required=True, help="the link file")
    parser.add_argument("--seat", type=int, help="the socket on which ranks name themselves")
    parser.add_argument("--rank", type=RankAt.parse, action="append", default=[], help="one of them: PPID:PID:START")
    parser.add_argument("--child", type=identity, help="a rank of which this process is the parent: PID:START")
    options = parser.parse_args(arguments)
    if options.child is None:
        _observe(options, None)
        return 0
    parent = Parent()
    parent.begin(options.child[0])
    try:
        _observe(options, parent)
    finally:  # whatever has happened here, the launcher is to see the rank's own end
        while (status := parent.poll()) is None:
            select.select([parent], [], [])
        parent.leave(status)


def _observe(options: argparse.Namespace, parent: Parent | None) -> None:
    link, host = LinkFile.read(options.link), socket.gethostname()
    registry = Registry(socket.socket(fileno=options.seat) if options.seat is not None else None)
    for rank in options.rank:
        registry.add(rank)
    if parent is not None:
        registry.add(RankAt(os.getppid(), *options.child))
    job = NodeJob(link.job, lambda: registry.deputy_pids)
    has_eyes = parent is not None or not (link.as_parent or is_parent_needed(Path("/proc/self/status").read_bytes()))
    name = host if parent is None else f"{host}{BESIDE}{os.getpid()}"
    line = observer_link.Line(
        link.addresses, link.server_public, link.client_public, link.client_secret, link.job, name
    )
    crew = Crew(Path(link.crew), host) if link.crew else None
    Observer(line, options.link, job, registry, host, parent=parent, has_eyes=has_eyes, crew=crew).run()
    if parent is not None:
        leave_to_node(job, link.job)


def leave_to_node(job: NodeJob, tag: str) -> None:
    """Name what a rank has left to the node's own observer, which ends it with the job."""
    for each in job.find():
        line = f"rank {each.ppid} {each.pid} {each.start_time}\n"
        if spoken := seat.speak({b"job": tag.encode()}, line.encode()):
            spoken.close()


def identity(text: str) -> Identity:
    """Read `PID:START`. Raises ValueError."""
    pid, start_time = text.split(":")
    return int(pid), int(start_time)


if __name__ == "__main__":
    sys.exit(main())
