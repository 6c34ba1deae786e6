"""Who may mean to end a tree of processes that is looked at: its parents, and where it has none left its relatives.

A helper parked in `Event().wait()` until its parent terminates it can be woken by nothing else, and is healthy. Under
a launcher's command everybody who may end a rank is in sight; of a process that somebody asks about, the parent is not.
So a knot of such a tree is a hang only if all above it are in a knot as well. Left out are programs that start other
people's work, launchers (which end no rank because it waits), su and sudo, which only pass on what they are told, and
whoever runs hangprobe on just this process: it is waiting for the answer.

An orphan's relatives: a fork copies the place of the stack (`Census.fork_parent`), also where it was forked twice and
has a session of its own; a program started from a script shares its group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hangprobe.model import ProcessId
from hangprobe.observe.ranks import LAUNCHERS, marker
from hangprobe.observe.trees import INIT, Forest

CARRIERS = frozenset({"su", "sudo", "runuser", "login"})
"""Programs that wait for one command and pass on signals to it."""
ADOPTERS = frozenset({"systemd", "init", "containerd-shim"})
"""Programs that orphans get as their parent (PR_SET_CHILD_SUBREAPER)."""


@dataclass(frozen=True, slots=True)
class Elder:
    """A process outside a tree that may mean to end it."""

    process: ProcessId
    kinship: str
    """What it is to the tree, in words."""
    is_ancestor: bool


def elders(forest: Forest, root: ProcessId, askers: frozenset[int]) -> tuple[Elder, ...]:
    """Return who may mean to end what runs below `root`, nearest first; `askers` run hangprobe on just this process."""
    above = list(_above(forest, root.pid))
    asking = next((index for index, pid in enumerate(above) if pid in askers), None)
    carriers = {pid for pid in above if forest.name(pid) in CARRIERS and forest.is_starter(pid)}
    found = tuple(_named(forest, [pid for pid in above[:asking] if pid not in carriers]))
    is_left = not above and has_lost_its_starter(forest, root) and not is_started_by_launcher(forest, root.pid)
    kin = (each for each in _relatives(forest, root.pid) if each.process.pid not in askers)
    return found or (tuple(kin) if is_left else ())


def is_started_by_launcher(forest: Forest, pid: int) -> bool:
    """Tell whether a launcher has made a process a rank: one that it has no number from is not its rank."""
    parent = forest.census.stats[pid].parent
    if parent is None or forest.name(parent) not in LAUNCHERS:
        return False
    return marker(forest.environment(pid), forest.environment(parent)) is not None


def has_lost_its_starter(forest: Forest, root: ProcessId) -> bool:
    """Tell whether a process may be an orphan: it is a service, or whoever started it has ended."""
    parent = forest.census.stats[root.pid].parent if root.pid in forest.census.stats else None
    return parent is None or parent <= INIT or forest.name(parent) in ADOPTERS


def _above(forest: Forest, pid: int) -> Iterator[int]:
    stats, seen = forest.census.stats, {pid}
    while (parent := stats[pid].parent) and parent in stats and parent not in seen:
        is_end = forest.name(parent) not in CARRIERS and forest.is_border(pid, parent)
        if is_end or is_started_by_launcher(forest, pid):
            return
        yield parent
        pid = parent
        seen.add(pid)


def _named(forest: Forest, pids: list[int]) -> Iterator[Elder]:
    for pid in pids:
        if (process := forest.census.process(pid)) is not None:
            yield Elder(process, "its parent" if pid == pids[0] else "an ancestor of it", True)


def _relatives(forest: Forest, root: int) -> Iterator[Elder]:
    """Yield the processes outside a tree with which it shares a fork or a group."""
    census = forest.census
    own = census.stats[root]
    below = {root, *census.descendants(root)}
    outside = set(census.stats) - below - set(census.ancestors(root))
    for pid in sorted(outside):
        stat, process = census.stats[pid], census.process(pid)
        if process is None or stat.has_ended:
            continue
        if stat.stack_start and stat.stack_start == own.stack_start and (own.is_forked or stat.is_forked):
            yield Elder(process, "forked from the same program", False)
        elif own.group == stat.group and own.session == stat.session:
            yield Elder(process, "of its process group", False)
