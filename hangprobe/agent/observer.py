"""`python -m hangprobe.agent.observer`: the process that watches one node for one job.

It is started by `agent/rank.py`, detached, once the job has run for a moment. Nobody has to end it: it leaves when the
head says so, and by itself once the job is known to be over.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import subprocess
import sys
from pathlib import Path
from subprocess import DEVNULL

from hangprobe.agent import observer_link
from hangprobe.agent.linkfile import LinkFile
from hangprobe.agent.nodejob import NodeJob
from hangprobe.agent.observing import Observer
from hangprobe.agent.parent import Parent
from hangprobe.agent.registry import RankAt, Registry
from hangprobe.launch.proctree import Identity


def main(arguments: list[str] | None = None) -> int:
    """Observe this node until the job is over."""
    parser = argparse.ArgumentParser(prog="python -m hangprobe.agent.observer", description=__doc__.partition("\n")[0])
    parser.add_argument("--link", type=Path, required=True, help="the link file")
    parser.add_argument("--seat", type=int, help="the socket on which ranks name themselves")
    parser.add_argument("--rank", type=RankAt.parse, action="append", default=[], help="one of them: PPID:PID:START")
    parser.add_argument("--child", type=identity, help="a rank of which this process is the parent: PID:START")
    parser.add_argument("--left", type=identity, action="append", default=[], help="what a rank has left: PID:START")
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
    job.see(options.left)
    # as a parent it is one of several on its node
    name = host if parent is None and not options.left else f"{host}#{os.getpid()}"
    line = observer_link.Line(
        link.addresses, link.server_public, link.client_public, link.client_secret, link.job, name
    )
    Observer(line, options.link, job, registry, host, parent=parent).run()
    left = job.find() if parent is not None else []
    if left:
        named = [word for each in left for word in ("--left", f"{each.pid}:{each.start_time}")]
        command = [sys.executable, "-m", "hangprobe.agent.observer", "--link", str(options.link), *named]
        subprocess.Popen(command, start_new_session=True, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)


def identity(text: str) -> Identity:
    """Read `PID:START`. Raises ValueError."""
    pid, start_time = text.split(":")
    return int(pid), int(start_time)


if __name__ == "__main__":
    sys.exit(main())
