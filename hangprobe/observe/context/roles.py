"""What a process of the node is to the ranks: a rank itself, a launcher's proxy, a shell.

By name and place in the tree. A name is no proof: it is only said who holds an end, never concluded that it will not
let go of it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from hangprobe.context.values import LAUNCHING, Holder, Role
from hangprobe.model import RankView, Unreadable
from hangprobe.observe.ranks import SHELLS
from hangprobe.observe.world import World

_NAMES = {
    **dict.fromkeys(("hydra_pmi_proxy", "hydra_bstrap_pr", "prted", "orted", "slurmstepd", "palsd"), Role.PROXY),
    **dict.fromkeys(("mpiexec", "mpirun", "mpiexec.hydra", "prterun", "prte", "orterun"), Role.LAUNCHER),
    **dict.fromkeys(("srun", "aprun"), Role.LAUNCHER),
    **dict.fromkeys(SHELLS, Role.SHELL),
    **dict.fromkeys(("sshd", "sshd-session", "sshd-auth"), Role.SSHD),
    "parallel": Role.PARALLEL,
}
"""By `/proc/PID/comm`, which cuts names at 15 letters. sshd-session: OpenSSH 9.8 and newer."""
_INTERPRETER = "perl"
_REMOTE_SHELLS = frozenset({"ssh", "rsh", "pbsdsh", "srun", "qrsh", "blaunch"})
"""What launchers start their proxies on other nodes with."""
UNNUMBERED = -1
"""Stands for a rank that nobody has named: a process below a launcher's proxy."""


@dataclass(slots=True)
class Roles:
    """Who is who on a node, found out once for each process."""

    world: World
    ranks: Sequence[RankView]
    own: frozenset[int] = field(default_factory=lambda: frozenset({os.getpid()}))
    """hangprobe's own processes."""
    _tops: dict[int, int] = field(init=False)
    _members: dict[int, int] = field(init=False)
    _known: dict[int, Holder | int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index the ranks by their processes."""
        self._tops = {rank.top.pid: rank.rank for rank in self.ranks}
        self._members = {member.pid: rank.rank for rank in self.ranks for member in rank.members}

    def of(self, pid: int) -> Holder | int:
        """Return the number of the rank to which a process belongs (`UNNUMBERED` if not known), or who it is else."""
        if pid not in self._known:
            self._known[pid] = self._find(pid)
        return self._known[pid]

    def launcher_of(self, pid: int) -> int | None:
        """Return the nearest ancestor that starts ranks."""
        for ancestor in self.world.ancestors(pid):
            found = self.of(ancestor)
            if isinstance(found, Holder) and found.role in LAUNCHING:
                return ancestor
        return None

    def _find(self, pid: int) -> Holder | int:
        for relative in (pid, *self.world.ancestors(pid)):
            if relative in self._tops:
                return self._tops[relative]
        if pid in self._members:
            return self._members[pid]
        if pid in self.own:
            return Holder(Role.HANGPROBE)
        name = self._name(pid)
        own = _NAMES.get(name.lstrip("-"), Role.OTHER)
        return UNNUMBERED if self._is_started(pid, name, own) else Holder(own, name)

    def _name(self, pid: int) -> str:
        stat = self.world.stats.get(pid)
        name = (stat.comm if stat is not None else None) or "?"
        return "parallel" if name == _INTERPRETER and self._is_parallel(pid) else name

    def _is_started(self, pid: int, name: str, own: Role) -> bool:
        """Tell whether a launcher started a process as a rank, or whether it is below one."""
        launcher = None if own in LAUNCHING else self.launcher_of(pid)
        by = self.of(launcher) if launcher is not None else None
        if not isinstance(by, Holder):
            return False
        return by.role is not Role.LAUNCHER or (own is Role.OTHER and name not in _REMOTE_SHELLS)

    def _is_parallel(self, pid: int) -> bool:
        """Tell whether a Perl runs GNU parallel: `perl .../parallel`, as where its first line is not to be trusted."""
        data = self.world.reader.guarded(pid, "cmdline")
        words = [] if isinstance(data, Unreadable) else data.decode(errors="replace").split("\0")
        return len(words) > 1 and words[1].rpartition("/")[2] == "parallel"
