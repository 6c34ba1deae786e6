"""Look whether the nodes of a testbed answer."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, dataclass

from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.layout import LOGIN, addresses

SCHEMA = "hangprobe.testbed/1"
LOOK_LIMIT_S = 10.0
# Run on the login node: an sshd that is alive says its version at once.
_ASK = """
import socket, sys
for address in sys.argv[1:]:
    try:
        with socket.create_connection((address, 22), 1) as link:
            print("yes" if link.recv(4) == b"SSH-" else "no")
    except OSError:
        print("no")
"""


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """One node."""

    name: str
    address: str
    has_sshd: bool  # it answers


@dataclass(frozen=True, slots=True)
class Health:
    """A testbed and its nodes."""

    name: str
    since: str
    owner_pid: int
    folder: str
    has_slurm: bool
    nodes: tuple[NodeHealth, ...]

    def document(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}) + "\n"


def look(bed: Testbed) -> Health:
    """Return how a testbed is."""
    where = addresses(bed.state.nodes)
    command = bed.command(LOGIN, [sys.executable, "-I", "-S", "-c", _ASK, *where.values()])
    said = subprocess.run(command, capture_output=True, text=True, timeout=LOOK_LIMIT_S, check=False).stdout.split()
    answers = [*(word == "yes" for word in said), *[False] * len(where)]
    nodes = tuple(NodeHealth(name, address, has) for (name, address), has in zip(where.items(), answers, strict=False))
    return Health(bed.name, bed.state.since, bed.state.owner_pid, str(bed.folder), bed.state.has_slurm, nodes)
