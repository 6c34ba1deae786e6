"""The processes of a node as one collect lists them: who is there, who is whose child, who belongs to the job.

The list is read again until no unseen process remains that may belong to the job.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hangprobe.model import ProcessId, ThreadId, Unreadable
from hangprobe.observe.procfs import Stat, parse_numbers
from hangprobe.observe.reader import Reader

ROUNDS = 3
"""Lists of /proc in one collect before a node on which processes come and go is called unsettled."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What belongs to the job: everything below `root`, but no object that it was started with."""

    root: ProcessId
    inherited: frozenset[str] = frozenset()
    """Pipes, sockets and files that the job's starter had open: others may hold them too."""
    alarms: frozenset[str] | None = None
    """The alarm(2) timers that were set on the node when the job began; None if they may not be read."""


@dataclass(slots=True)
class Census:
    """Every process of one node, and its kin."""

    reader: Reader
    host: str
    scope: Scope | None = field(default=None, kw_only=True)
    stats: dict[int, Stat] = field(default_factory=dict, kw_only=True)
    is_settled: bool = field(default=False, kw_only=True)
    """Whether the last list of processes had none that may belong to the job and was not in one before."""
    newcomers: set[int] = field(default_factory=set, kw_only=True)
    """The processes that only the last list had."""
    refused: set[int] = field(default_factory=set, kw_only=True)
    """Pids in the list of processes of which not even `stat` may be read (hidepid)."""
    _children: dict[int, list[int]] = field(default_factory=dict, kw_only=True)
    _tasks: dict[int, list[int] | Unreadable] = field(default_factory=dict, kw_only=True)

    def scan(self) -> None:
        """Read the list of processes until a round brings no unseen one; what is known already is not read again."""
        self.is_settled, self.newcomers = False, set()
        for _ in range(ROUNDS):
            pids = self.reader.numbers(".")
            known = self.stats.keys() | self.refused
            unseen = [] if isinstance(pids, Unreadable) else [pid for pid in pids if pid not in known]
            if not unseen:
                self.is_settled = not isinstance(pids, Unreadable)
                break
            self.newcomers = set(unseen)
            for pid in unseen:
                stat = self.reader.stat(pid)
                if not isinstance(stat, Unreadable):
                    self.stats[pid] = stat
                elif stat.why == "not permitted":
                    self.refused.add(pid)
        self._children = {}
        for pid, stat in self.stats.items():
            if stat.parent is not None:
                self._children.setdefault(stat.parent, []).append(pid)
        if not self.is_settled and self.scope is not None and self.newcomers:
            self.is_settled = not any(map(self.may_belong, self.newcomers))

    def may_belong(self, pid: int) -> bool:
        """Tell whether a process is one of the job's, as far as can be seen: one that has gone may have been."""
        return pid not in self.stats or self.is_in_scope(pid)

    def process(self, pid: int) -> ProcessId | None:
        """Return the identity of a pid; None if it is not there or cannot be read."""
        stat = self.stats.get(pid)
        return None if stat is None or stat.start_time is None else ProcessId(self.host, pid, stat.start_time)

    def children(self, pid: int) -> list[int]:
        """Return the pids of a process's children."""
        return self._children.get(pid, [])

    def unseen_child(self, pid: int) -> int | None:
        """Return a child that its parent lists and this `/proc` does not show: hidepid hides setuid programs."""
        tasks = self.tasks(pid)
        for tid in [] if isinstance(tasks, Unreadable) else tasks:
            text = self.reader.text(f"{pid}/task/{tid}/children")
            children = [] if isinstance(text, Unreadable) else parse_numbers(text, "children")[0]
            if unseen := set(children) - self.stats.keys():
                return min(unseen)
        return None

    def descendants(self, pid: int) -> list[int]:
        """Return the pids of all descendants, nearest first."""
        found: dict[int, None] = {}
        ahead = [pid]
        while ahead:
            nearer = [child for child in self.children(ahead.pop(0)) if child not in found]
            found.update(dict.fromkeys(nearer))
            ahead += nearer
        return list(found)

    def ancestors(self, pid: int) -> list[int]:
        """Return the pids of the parent, its parent, and so on."""
        found: list[int] = []
        while (stat := self.stats.get(pid)) is not None and stat.parent and stat.parent not in found:
            found.append(stat.parent)
            pid = stat.parent
        return found

    def fork_parent(self, pid: int) -> int | None:
        """Return the parent that forked a process, if it still runs and neither of them has exec'd since.

        An orphan has the pid of whoever adopted it as its parent. A fork copies the place at which the stack starts
        (`start_stack`, field 28 of `stat`), which is random for each exec.
        """
        stat = self.stats.get(pid)
        if stat is None or not stat.is_forked or not stat.parent or stat.parent <= 1:
            return None
        parent = self.stats.get(stat.parent)
        same = parent is not None and stat.stack_start and stat.stack_start == parent.stack_start
        return stat.parent if same else None

    def fork_ancestors(self, pid: int) -> list[int]:
        """Return the processes from which `pid` descends by fork alone, nearest first, as far as they still run."""
        found: list[int] = []
        ancestor = self.fork_parent(pid)
        while ancestor is not None and ancestor not in found:
            found.append(ancestor)
            ancestor = self.fork_parent(ancestor)
        return found

    def is_in_scope(self, pid: int) -> bool:
        """Tell whether a process belongs to the job."""
        root = self.scope.root if self.scope is not None else None
        if root is None or self.process(root.pid) != root:
            return False
        return pid == root.pid or root.pid in self.ancestors(pid)

    def tasks(self, pid: int) -> list[int] | Unreadable:
        """Return the TIDs of a process."""
        if pid not in self._tasks:
            self._tasks[pid] = self.reader.numbers(f"{pid}/task")
        return self._tasks[pid]

    def threads(self, pid: int) -> frozenset[ThreadId] | Unreadable:
        """Return the threads of a process."""
        process, tasks = self.process(pid), self.tasks(pid)
        if process is None:
            return Unreadable(f"{pid}/stat", "gone or not readable")
        if isinstance(tasks, Unreadable):
            return tasks
        return frozenset(ThreadId(process, tid) for tid in tasks)

    def living(self, pid: int) -> int:
        """Return the TID of a thread that has not ended."""
        stat, tasks = self.stats.get(pid), self.tasks(pid)
        if stat is not None and stat.thread_count == 1 and stat.state not in {"Z", "X"}:
            return pid
        for tid in [] if isinstance(tasks, Unreadable) else tasks:
            task = self.reader.stat(pid, tid)
            if not isinstance(task, Unreadable) and task.state not in {"Z", "X"}:
                return tid
        return pid
