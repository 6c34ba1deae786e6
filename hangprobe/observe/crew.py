"""Who the workers of an ensemble on this node are, and which task each runs, from the marks that its tasks write.

A worker's own variables are set after its exec and stand nowhere in `/proc`; so the tasks say who runs them, in a
folder that all nodes see (`ensemble/htex_child.py` writes it):

    ensemble                                  lines `nodes 3`, `workers 2`: managers, and workers of each
    workers/<host>/<pid>-<start time>.log     `W <worker> <block> ...`, then of each task `B <time> <task> <workload>`
                                              and `E <time> <task> <outcome>`

There a worker takes the place of a rank: its main thread is the rank's, what it has started is the rank's tree. It is
one only while it runs a task: between tasks it waits for as long as nobody has one for it. Workers are numbered through
all nodes, the managers after them.

Such a folder lies on a file system that may be slow, or die: it is read in a thread that can be abandoned, and what is
late is unread. A worker whose marks cannot be read has no task as far as anybody can tell, so nothing is said of it.

The price: one stat of this node's folder a sample, 0.1 ms with the thread; where processes have come or gone a listing
too, one stat a log (as many as the node has had workers: 0.7 ms for 64) and an open for each that has grown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from hangprobe.model import Launcher, ProcessId, RankView, Worker
from hangprobe.observe.patience import Patience

TAIL = 512
"""Bytes at the end of a log: more than its last two lines, which have a number, a time and a name each."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Member(NamedTuple):
    """A worker as its log names it."""

    process: ProcessId
    place: int
    """Among the workers of its manager."""
    block: int
    task: int | None
    workload: str
    lines: int
    """Bytes of its log: another number if it has begun or ended a task since."""


class _Found(NamedTuple):
    """One look at a node's marks."""

    sizes: tuple[int, int]
    logs: int
    changed: dict[ProcessId, Member]


@dataclass(slots=True)
class Crew:
    """The workers of one node, read again where their logs have grown."""

    folder: Path
    host: str
    nodes: int = 0
    """Of each block; 0: nobody has said yet."""
    workers: int = 0
    """Of each manager."""
    members: dict[ProcessId, Member] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)
    wall: Callable[[], float] = time.time
    since_boot: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
    _logs: int = 0
    _listed_ns: int = -1
    _began: dict[ProcessId, float] = field(default_factory=dict)

    def has_newcomers(self) -> bool:
        """Take in workers that have begun their first task; return whether there were any."""
        changed_ns = self.patience.get(partial(_changed_ns, self.folder / "workers" / self.host))
        if changed_ns is None or changed_ns == self._listed_ns:
            return False
        known = len(self.members)
        if not self.read():
            return False
        # looked at again: a folder's time moves in steps (inode_set_ctime_current: a tick, 4 ms), and two logs may have
        # come within one; so is a log whose first line is not yet whole
        if len(self.members) == known == self._logs:
            self._listed_ns = changed_ns
        return len(self.members) != known

    def read(self) -> bool:
        """Read again what has changed in any log of this node; return whether that could be done in time."""
        known = {process: member.lines for process, member in self.members.items()}
        found = self.patience.get(partial(_look, self.folder, self.host, known, not self.workers))
        if found is None:
            return False
        if not self.workers:
            self.nodes, self.workers = found.sizes
        self._logs = found.logs
        self.members.update(found.changed)
        return True

    def number(self, worker: Worker) -> int:
        """Return the number by which a worker, or its manager, stands among the ranks of the job."""
        if worker.index is not None:
            return worker.index
        return self.nodes * self.workers + worker.manager

    def index(self, manager: int, member: Member) -> int:
        """Return a worker's number among all of the ensemble."""
        return manager * self.workers + member.place

    def began(self, process: ProcessId) -> float:
        """Return when a process of this node was started, by the node's clock (time.time()).

        /proc has it in ticks since the boot; told once, so that it stays the same if the clock is set.
        """
        if process not in self._began:
            self._began[process] = self.wall() - (self.since_boot() - process.start_time / TICKS_PER_S)
        return self._began[process]


@dataclass(slots=True)
class Places:
    """Which process of a node's job is of which worker. `parents` and `ids`: the job's processes here by pid."""

    crew: Crew
    parents: Mapping[int, int | None]
    ids: Mapping[int, ProcessId]
    members: dict[int, Member] = field(init=False)
    """The workers that are there, by pid."""
    owner: dict[int, int | None] = field(init=False)
    """The worker that a process is, or descends from; None if it is no worker's."""

    def __post_init__(self) -> None:
        """Look for each process's worker."""
        known = self.crew.members.values()
        self.members = {each.process.pid: each for each in known if self.ids.get(each.process.pid) == each.process}
        self.owner = {pid: self._owner(pid) for pid in self.ids}

    def placed(self, ranks: tuple[RankView, ...]) -> tuple[RankView, ...]:
        """Return the ranks of an ensemble: its workers, and its managers without what is below a worker.

        `ranks` are those that the launcher started: of what workers have started there is none among them, for a task
        may start a job of ranks itself.
        """
        if not self.crew.workers:
            return ranks
        started = [rank for rank in ranks if rank.launcher is not Launcher.NONE]
        rank_of = {member.pid: rank for rank in started for member in rank.members}
        found = [self._manager(rank) for rank in started]
        found += [self._worker(pid, member, self._above(pid, rank_of)) for pid, member in self.members.items()]
        return tuple(sorted({rank.rank: rank for rank in found}.values(), key=lambda rank: rank.rank)) or ranks

    def _manager(self, rank: RankView) -> RankView:
        worker = Worker(None, rank.rank, began=self.crew.began(rank.main))
        left = tuple(member for member in rank.members if self.owner.get(member.pid) is None)
        return rank.but(rank=self.crew.number(worker), members=left, size=None, worker=worker)

    def _worker(self, pid: int, member: Member, above: RankView | None) -> RankView:
        manager = (above.rank if above is not None else 0) + member.block * self.crew.nodes
        worker = Worker(self.crew.index(manager, member), manager, member.task, member.workload)
        return RankView(
            rank=self.crew.number(worker),
            launcher=above.launcher if above is not None else Launcher.NONE,
            top=above.top if above is not None else member.process,
            main=member.process,
            members=tuple(self.ids[each] for each, its in self.owner.items() if its == pid),
            worker=worker,
        )

    def _above(self, pid: int, rank_of: Mapping[int, RankView]) -> RankView | None:
        """Return the rank that a worker's manager is in."""
        return next((rank_of[each] for each in self._ancestry(pid) if each in rank_of), None)

    def _owner(self, pid: int) -> int | None:
        """Return the worker that is a process or an ancestor of it: the highest, for what a task starts is its own."""
        return next((each for each in reversed(self._ancestry(pid)) if each in self.members), None)

    def _ancestry(self, pid: int) -> list[int]:
        """Return a process and its ancestors, from below."""
        found: dict[int, None] = {}
        at: int | None = pid
        while at is not None and at not in found:
            found[at] = None
            at = self.parents.get(at)
        return list(found)


def confirmed(crew: Crew, ranks: tuple[RankView, ...]) -> tuple[RankView, ...]:
    """Return the ranks, with no task for workers that have begun or ended one since `ranks` were told.

    Nor for any worker if the marks cannot be read now: it may have ended its task long ago.
    """
    before = {process: member.lines for process, member in crew.members.items()}
    is_read = crew.read()
    same = {process for process, member in crew.members.items() if before.get(process) == member.lines}
    return tuple(
        rank
        if rank.worker is None or rank.worker.task is None or (is_read and rank.main in same)
        else rank.but(worker=rank.worker.but(task=None))
        for rank in ranks
    )


def sizes(marks: Path) -> tuple[int, int]:
    """Return how many managers an ensemble has, and workers of each; 0 where nobody has said."""
    try:
        words = dict(line.split() for line in (marks / "ensemble").read_text().splitlines())
        return int(words["nodes"]), int(words["workers"])
    except (OSError, ValueError, KeyError):
        return 0, 0


def writer(path: Path) -> ProcessId | None:
    """Return the worker that a log is of, by the log's name; None if it is no worker's."""
    pid, _, start_time = path.stem.partition("-")
    is_log = path.suffix == ".log" and pid.isdigit() and start_time.isdigit()
    return ProcessId(path.parent.name, int(pid), int(start_time)) if is_log else None


def _changed_ns(folder: Path) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return -1


def _look(marks: Path, host: str, known: Mapping[ProcessId, int], has_sizes_to_read: bool) -> _Found:
    """Look at the marks of a node, at those logs that have another size than is known."""
    logs, changed = 0, {}
    try:
        with os.scandir(marks / "workers" / host) as entries:
            sizes_of = {Path(entry.path): entry.stat().st_size for entry in entries if entry.name.endswith(".log")}
    except OSError:
        sizes_of = {}
    for path, size in sizes_of.items():
        process = writer(path)
        logs += process is not None
        if process is not None and known.get(process) != size and (member := _member(path, process, size)) is not None:
            changed[process] = member
    return _Found(sizes(marks) if has_sizes_to_read else (0, 0), logs, changed)


def _member(path: Path, process: ProcessId, size: int) -> Member | None:
    """Read a worker's log; None if its first line is not there yet, or is not one."""
    try:
        with path.open("rb") as file:
            head = file.readline(TAIL)
            file.seek(max(len(head), size - TAIL))
            tail = file.read(TAIL)
    except OSError:
        return None
    words = head.split()
    if not head.endswith(b"\n") or len(words) < 3 or words[0] != b"W":
        return None
    place, block = (int(word) if word.isdigit() else 0 for word in words[1:3])
    last = tail.rpartition(b"\n")[0].rpartition(b"\n")[2].split()
    is_busy = len(last) >= 3 and last[0] == b"B" and last[2].isdigit()
    task = int(last[2]) if is_busy else None
    workload = last[3].decode(errors="replace") if is_busy and len(last) > 3 else ""
    return Member(process, place, block, task, workload, size)
