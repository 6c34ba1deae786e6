"""The watchdog's steady state: which threads of a job have run since the last look, at no price worth naming.

Stage 1 reads one small file a thread (`roster`, `runcounts`; the run count changes with every run). Stage 2 reads the
system call of threads that did not run, once per sleep: a thread that has not run since is in the same call. What
could be a knot by that much is worth a double collect (`snapshot`); nothing here proves anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hangprobe.model import Launcher, ProcessId, Progress, Quiet, RankView, Unreadable
from hangprobe.observe.candidates import Graphs, WatchedTask, possible_wakers
from hangprobe.observe.procfs import parse_call
from hangprobe.observe.ranks import Relative, attribute
from hangprobe.observe.reader import Reader
from hangprobe.observe.roster import Roster
from hangprobe.observe.waits.shapes import Shape, machine, shape

LARGE_TREE, LARGE_TREE_S = 64, 1.0
"""Processes of a rank from which on its graphs are drawn once in so many seconds: that takes 3 us a thread."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a job."""

    at_s: float
    ranks: tuple[RankView, ...]
    progress: Mapping[int, Progress]
    graphs: Mapping[int, Graphs]
    """By rank: which threads may be blocked for ever."""
    tasks: Mapping[int, Mapping[int, WatchedTask]]
    """Every thread by pid and TID, as it is until the next sample."""
    process_count: int
    thread_count: int

    def run_count(self, pid: int, tid: int) -> int | None:
        """Return how often a thread ran; None if it is gone."""
        task = self.tasks.get(pid, {}).get(tid)
        return None if task is None else task.run_count


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A rank's graphs, and what they were drawn from."""

    rank: RankView
    at_s: float
    graphs: Graphs


class Sampler:
    """Watches everything below one process, which is not itself part of the job.

    `command` is the pid that stands for the job where no launcher is recognised. `own` is hangprobe's environment.
    """

    def __init__(self, reader: Reader, host: str, root: int, command: int, own: Mapping[str, str]) -> None:
        self.reader = reader
        self.command = command
        self.arch = machine()
        self.roster = Roster(reader, host, root, own)
        self.processes = self.roster.processes
        self._ranks: tuple[RankView, ...] = ()
        self._ranks_key: object = None
        self._graphs: dict[int, _Drawn] = {}

    def close(self) -> None:
        """Close every file that is kept open."""
        self.roster.close()

    def forgive(self, pause_s: float) -> None:
        """Leave out a time in which nobody looked: hangprobe was stopped, and perhaps the job with it."""
        for process in self.processes.values():
            process.moved_s += pause_s

    def lineage(self) -> list[tuple[ProcessId, int, bool]]:
        """Return every process with its parent's pid and whether it is forked and has not exec'd."""
        return [(process.id, process.parent, process.is_forked) for process in self.processes.values()]

    def sample(self, now_s: float) -> Sample:
        """Take one look at time `now_s` (monotonic seconds)."""
        self.roster.walk(now_s)
        for process in self.processes.values():
            for task in process.tasks.values():
                if not task.has_run and not task.is_shaped:
                    task.shape = self._shape(process.id.pid, task.tid)
                    task.is_shaped = process.has_changed = True
        self.attribute()
        return Sample(
            at_s=now_s,
            ranks=self._ranks,
            progress=self._progress(now_s),
            graphs=self._draw_graphs(now_s),
            tasks={pid: process.tasks for pid, process in self.processes.items()},
            process_count=len(self.processes),
            thread_count=sum(len(process.tasks) for process in self.processes.values()),
        )

    def _draw_graphs(self, now_s: float) -> dict[int, Graphs]:
        """Return the graphs of all ranks, anew only where something has changed; of large trees once a second."""
        drawn: dict[int, Graphs] = {}
        for rank in self._ranks:
            known = self._graphs.get(rank.rank)
            members = {m.pid: self.processes[m.pid] for m in rank.members if m.pid in self.processes}
            is_new = known is None or known.rank != rank or any(each.has_changed for each in members.values())
            if known is None or (is_new and (len(members) <= LARGE_TREE or now_s - known.at_s >= LARGE_TREE_S)):
                wide = possible_wakers(members, has_descriptors=True)
                known = _Drawn(rank, now_s, Graphs(possible_wakers(members), wide))
            self._graphs[rank.rank] = known
            drawn[rank.rank] = known.graphs
        return drawn

    def _shape(self, pid: int, tid: int) -> Shape | None:
        """Stage 2: what a thread that did not run waits for, if its wait could last for ever."""
        call, wchan = self.reader.text(f"{pid}/task/{tid}/syscall"), self.reader.text(f"{pid}/task/{tid}/wchan")
        if isinstance(call, Unreadable) or isinstance(wchan, Unreadable):
            return None
        words = parse_call(call)
        found = words if isinstance(words, Unreadable) else shape(words, wchan.strip(), self.arch)
        return None if isinstance(found, Unreadable) or found.is_timed else found

    def attribute(self, is_forced: bool = False) -> tuple[RankView, ...]:
        """Return the ranks; `is_forced` looks again behind shells, which change nothing but their system call."""
        if self.roster.has_news:
            self._ranks_key, self.roster.has_news = None, False
        if not is_forced and self._ranks_key is not None and not any(p.has_changed for p in self.processes.values()):
            return self._ranks
        key = tuple((pid, process.parent, len(process.tasks) == 1) for pid, process in self.processes.items())
        if key == self._ranks_key and not is_forced:
            return self._ranks
        tree = [
            Relative(process.id, process.parent, process.name, process.marker, len(process.tasks))
            for process in self.processes.values()
        ]
        ranks = attribute(tree, self.command, self.reader)
        if any(rank.launcher is not Launcher.NONE for rank in self._ranks):
            # Ranks that have ended leave their launcher behind: it is not a rank of its own.
            ranks = tuple(rank for rank in ranks if rank.launcher is not Launcher.NONE)
        self._ranks = ranks or self._ranks
        self._ranks_key = key
        return self._ranks

    def _progress(self, now_s: float) -> dict[int, Progress]:
        moved = {pid: process.moved_s for pid, process in self.processes.items()}
        found: dict[int, Progress] = {}
        for rank in self._ranks:
            quiet = tuple(Quiet(member, now_s - moved.get(member.pid, now_s)) for member in rank.members)
            found[rank.rank] = Progress(rank.rank, min((each.quiet_s for each in quiet), default=0.0), quiet)
        return found
