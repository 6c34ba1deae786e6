"""Which trees of processes to look at, where nobody started them under hangprobe.

A *job* is a tree below a launcher, or several trees whose ranks name the same job. Every other process belongs to the
tree of whatever a starter of other people's work (init, sshd, a batch system, a terminal) has started. A helper is
thus never looked at without the program that may end it: parked in `Event().wait()`, alone it would look hung.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hangprobe.model import ProcessId, Unreadable
from hangprobe.observe.census import Census
from hangprobe.observe.procfs import PF_KTHREAD, parse_environ
from hangprobe.observe.ranks import LAUNCHERS, SHELLS, job_name, marker

STARTERS = frozenset(
    {"systemd", "init", "sshd", "sshd-session", "login", "su", "sudo", "runuser", "cron", "crond", "atd"}
    | {"tmux: server", "screen", "slurmd", "pbs_mom", "containerd-shim", "xinetd", "inetd", "runsvdir"}
)
"""Programs that start what somebody else asks for, and end it only when they are told to."""
INIT = 1


@dataclass(frozen=True, slots=True)
class Tree:
    """What is looked at as one: a job, or a program with all that it has started."""

    roots: tuple[ProcessId, ...]
    """Each with all its descendants, but for those of other trees."""
    job: str | None = None
    """What its ranks have in common; None if it has none."""
    without: frozenset[int] = frozenset()
    """Roots of other trees below these."""


@dataclass(slots=True)
class Forest:
    """The processes of a node, parted into trees; `census` has been scanned."""

    census: Census
    is_mine: Callable[[int], bool]
    """Whether a process is one that may be looked at: one's own, for root everybody's."""
    environment: Callable[[int], Mapping[str, str]] = field(default_factory=lambda: _no_environment)
    command: Callable[[int], Sequence[str]] = field(default_factory=lambda: _no_command)
    is_program: Callable[[int, str], bool] = field(default_factory=lambda: _any_program)
    """Whether a process runs an installed program of that name; a name alone is given as easily as taken."""

    def everything(self) -> list[Tree]:
        """Return every tree of the node that may be looked at, jobs first; hangprobe itself is in none."""
        own = {os.getpid(), *self.census.descendants(os.getpid())}
        pids = [pid for pid, stat in self.census.stats.items() if self._is_wanted(pid) and not stat.has_ended]
        jobs = list(self._job_trees(pid for pid in pids if pid not in own))
        of_jobs = frozenset(process.pid for tree in jobs for process in tree.roots)
        tops = dict.fromkeys(self._top(pid) for pid in pids if pid not in own)
        rest = [Tree((process,), None, of_jobs - {top}) for top in tops if (process := self._rest(top, of_jobs))]
        return [*jobs, *rest]

    def below(self, pids: Iterable[int]) -> list[Tree]:
        """Return the jobs below some processes; a process without one is a tree itself."""
        found: dict[tuple[ProcessId, ...], Tree] = {}
        for pid in pids:
            process = self.census.process(pid)
            jobs = [] if self._has_marker(pid) else list(self._job_trees(self.census.descendants(pid), pid))
            alone = [Tree((process,))] if process is not None else []
            found.update({tree.roots: tree for tree in (jobs or alone)})
        return list(found.values())

    def named(self, name: str) -> list[int]:
        """Return the processes with a name that none of their ancestors has."""
        found = {pid for pid, stat in self.census.stats.items() if stat.comm == name[:15] and self._is_wanted(pid)}
        return sorted(pid for pid in found - {os.getpid()} if not found.intersection(self.census.ancestors(pid)))

    def _job_trees(self, pids: Iterable[int], above: int | None = None) -> Iterator[Tree]:
        """Yield the jobs of the ranks among some processes; below `above`, if that is given."""
        launchers: dict[str, list[list[int]]] = {}
        for pid in pids:
            if self._is_wanted(pid) and self._has_marker(pid):
                chain = self._launchers_above(pid, above) or ([] if self._has_marked_ancestor(pid) else [pid])
                if chain:
                    launchers.setdefault(self._job(pid, chain[0]), []).append(chain)
        for job, chains in launchers.items():
            others = {pid for name, some in launchers.items() if name != job for chain in some for pid in chain}
            # of a launcher that has several jobs below it, such as GNU parallel, no one job is the whole
            tops = dict.fromkeys(next((pid for pid in chain if pid not in others), chain[-1]) for chain in chains)
            kept = [pid for pid in tops if not tops.keys() & set(self.census.ancestors(pid))]
            known = [process for pid in kept if (process := self.census.process(pid)) is not None]
            yield Tree(tuple(known), job)

    def _has_marker(self, pid: int) -> bool:
        stat = self.census.stats.get(pid)
        is_launcher = stat is None or stat.comm in LAUNCHERS
        return not is_launcher and marker(self.environment(pid), {}) is not None

    def _has_marked_ancestor(self, pid: int) -> bool:
        return any(self._is_wanted(each) and self._has_marker(each) for each in self.census.ancestors(pid))

    def _launchers_above(self, pid: int, above: int | None) -> list[int]:
        """Return the launchers above a rank that may be looked at, the highest first."""
        ancestors = self.census.ancestors(pid)
        if above is not None and above in ancestors:
            ancestors = ancestors[: ancestors.index(above) + 1]
        stats = self.census.stats
        launchers = [each for each in ancestors if each in stats and stats[each].comm in LAUNCHERS]
        return [each for each in reversed(launchers) if self._is_wanted(each)]

    def _job(self, pid: int, root: int) -> str:
        """Return a name for the job of a rank: two that cannot be told apart are those below two launchers."""
        daemons = [each for each in self.census.ancestors(pid) if self.census.stats.get(each) and self._is_proxy(each)]
        commands = (self.command(each) for each in daemons)
        names = (job_name(self.environment(pid), command) for command in commands)
        return next(filter(None, names), None) or job_name(self.environment(pid)) or f"pid {root}"

    def _is_proxy(self, pid: int) -> bool:
        return self.census.stats[pid].comm == "hydra_pmi_proxy"

    def _top(self, pid: int) -> int:
        """Return the program that a process belongs to: below init, and whoever starts other people's work."""
        top = pid
        for parent in self.census.ancestors(pid):
            if not self._is_wanted(parent) or self.is_border(top, parent):
                break
            top = parent
        return top

    def is_border(self, pid: int, parent: int) -> bool:
        """Tell whether a process was started for somebody else by its parent, which ends it only when told to."""
        stat, above = self.census.stats[pid], self.census.stats[parent]
        if parent == INIT or self.is_starter(parent):
            return True
        is_session = above.comm in SHELLS and above.session == parent and bool(above.tty)
        return is_session and stat.group == pid and is_interactive(self.command(parent))

    def is_starter(self, pid: int) -> bool:
        """Tell whether a process is one of those that start other people's work, and not another one of that name."""
        name = self.name(pid)
        return name in STARTERS and self.is_program(pid, name.partition(":")[0])

    def name(self, pid: int) -> str:
        """Return a process's name; empty if it has none that may be read."""
        stat = self.census.stats.get(pid)
        return (stat.comm or "") if stat is not None else ""

    def _rest(self, top: int, of_jobs: frozenset[int]) -> ProcessId | None:
        return None if top in of_jobs else self.census.process(top)

    def _is_wanted(self, pid: int) -> bool:
        stat = self.census.stats.get(pid)
        return pid != INIT and stat is not None and not (stat.flags or 0) & PF_KTHREAD and self.is_mine(pid)


def _no_environment(pid: int) -> Mapping[str, str]:
    return {}


def _no_command(pid: int) -> Sequence[str]:
    return ()


def _any_program(pid: int, name: str) -> bool:
    return True


def is_own(pid: int) -> bool:
    """Tell whether a process is this user's; root may look at everybody's."""
    if os.geteuid() == 0:
        return True
    try:
        return os.stat(f"/proc/{pid}").st_uid == os.geteuid()
    except OSError:
        return False


def is_interactive(command: Sequence[str]) -> bool:
    """Tell whether a shell's command line makes it read from its terminal: no script, no `-c`."""
    words = [word for before, word in itertools.pairwise(command) if before not in {"--rcfile", "--init-file"}]
    is_told = any(not word.startswith("-") or (not word.startswith("--") and "c" in word) for word in words)
    return bool(command) and not is_told


def runs(pid: int, name: str) -> bool:
    """Tell whether a process runs an installed program of that name: root's, or at least not its own user's.

    What another user's process runs may not be read: root's are believed.
    """
    try:
        user = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return False
    try:
        program, owner = os.path.basename(os.readlink(f"/proc/{pid}/exe")), os.stat(f"/proc/{pid}/exe").st_uid
    except PermissionError:
        return user == 0
    except OSError:
        return False
    return program.startswith((name, "busybox", "systemd")) and (owner != user or user == 0)


def forest(census: Census) -> Forest:
    """Return the trees of a node as this user may see them; the census has been scanned."""
    environments: dict[int, Mapping[str, str]] = {}

    def environment(pid: int) -> Mapping[str, str]:
        if pid not in environments:
            data = census.reader.guarded(pid, "environ")
            environments[pid] = {} if isinstance(data, Unreadable) else parse_environ(data)
        return environments[pid]

    def command(pid: int) -> Sequence[str]:
        data = census.reader.guarded(pid, "cmdline")
        return () if isinstance(data, Unreadable) else data.decode(errors="replace").rstrip("\0").split("\0")

    return Forest(census, is_own, environment, command, runs)
