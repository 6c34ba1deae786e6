"""Nodes by hand: processes with names, parents and environments, parted into trees."""

from __future__ import annotations

from collections.abc import Sequence

from hangprobe.observe.census import Census
from hangprobe.observe.procfs import Stat
from hangprobe.observe.reader import Reader
from hangprobe.observe.trees import INIT, Forest

from .tree import HOST

OWN = 4242
"""The pid of hangprobe itself on such a node."""


class Node:
    """The processes of a node: their names, their parents, and what their environments say."""

    def __init__(self) -> None:
        self.stats: dict[int, Stat] = {}
        self.environments: dict[int, dict[str, str]] = {}
        self.commands: dict[int, Sequence[str]] = {}
        self.others: set[int] = set()
        """Processes that may not be looked at."""
        self.pretenders: set[int] = set()
        """Processes that only have the name of the program that they seem to be."""
        self.add(INIT, 0, "systemd")

    def add(
        self,
        pid: int,
        parent: int,
        comm: str,
        *,
        rank: int | None = None,
        command: Sequence[str] = (),
        state: str = "S",
        is_mine: bool = True,
        group: int | None = None,
        session: int = 0,
        tty: int = 0,
        flags: int = 0,
        **environment: str,
    ) -> int:
        """Put a process on the node; with `rank`, it has the variables that Hydra gives its ranks."""
        own = pid if group is None else group
        self.stats[pid] = Stat(comm, state, parent, own, session, tty, flags, 1000 + pid, 1 if state != "Z" else 0)
        named = {} if rank is None else {"PMI_RANK": str(rank), "PMI_SIZE": "4"}
        self.environments[pid] = {**named, **environment}
        self.commands[pid] = command
        if not is_mine:
            self.others.add(pid)
        return pid

    def forest(self) -> Forest:
        census = Census(Reader("/nowhere"), HOST, stats=dict(self.stats))
        census.scan()
        is_mine, is_program = self.others.isdisjoint, self.pretenders.isdisjoint
        return Forest(
            census,
            lambda pid: is_mine({pid}),
            self.environments.__getitem__,
            self.commands.__getitem__,
            lambda pid, name: is_program({pid}),
        )

    def trees(self) -> list[tuple[str | None, list[int]]]:
        """Return every tree: its job, and its roots."""
        return [(tree.job, [root.pid for root in tree.roots]) for tree in self.forest().everything()]

    def hydra(self, first: int, parent: int, port: int, ranks: int = 2) -> int:
        """Put a job of MPICH below a process, as pids `first` and up; return its mpiexec."""
        mpiexec = self.add(first, parent, "mpiexec")
        proxy = ["/opt/mpi/bin/hydra_pmi_proxy", "--control-port", f"login:{port}"]
        self.add(first + 1, mpiexec, "hydra_pmi_proxy", command=proxy)
        for rank in range(ranks):
            self.add(first + 2 + rank, first + 1, "python", rank=rank)
        return mpiexec


def terminal(node: Node, pid: int, parent: int = INIT) -> None:
    """Put a shell that reads from a terminal on the node."""
    node.add(pid, parent, "bash", session=pid, tty=34816, command=["-bash"])
