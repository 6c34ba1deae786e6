"""The commands of launchers that run somewhere: which of them started the ranks that a node sees?

Apart from the glossary (`model`), because it is told from node to node (`agent`) and looked into where ranks are fed.
"""

from __future__ import annotations

from hangprobe.model import Frozen, ProcessId


class Starter(Frozen, frozen=True):
    """A launcher's own command, such as mpiexec: it runs on one node of the job, or on none of them."""

    process: ProcessId
    ports: tuple[int, ...]
    """The TCP ports on which it listens."""
    addresses: tuple[str, ...]
    """Its own ends of its TCP connections (`10.0.0.1:33007`): Intel's stops listening once all have come."""
    feeds_others: bool
    """Whether it may feed other ranks than its launcher does by itself."""
    stdin: str | None = None
    """What its standard input is (`/dev/null`, `pipe:[7]`); None if that cannot be read."""
    command: tuple[str, ...] = ()
