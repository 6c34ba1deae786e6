"""The watchdog's steady state: which threads of a job have run since the last look, at no price worth naming.

Stage 1 reads one small file a thread (`roster`, `runcounts`; the run count changes with every run). Stage 2 reads the
system call of threads that did not run, once per sleep: a thread that has not run since is in the same call. What
could be a knot by that much is worth a double collect (`snapshot`); nothing here proves anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hangprobe.judgement import Progress, Quiet
from hangprobe.model import Launcher, ProcessId, RankView, Unreadable
from hangprobe.observe.candidates import Graphs, WatchedProcess, WatchedTask, possible_wakers
from hangprobe.observe.crew import Crew, Places
from hangprobe.observe.procfs import parse_call
from hangprobe.observe.ranks import Relative, attribute
from hangprobe.observe.reader import Reader
from hangprobe.observe.roots import Roots
from hangprobe.observe.roster import Roster
from hangprobe.observe.waits.shapes import Shape, machine, shape

LARGE_TREE, LARGE_TREE_S = 64, 1.0
"""Processes of a rank from which on its graphs are drawn once in so many seconds: that takes 3 us a thread."""

NOBODY = 0
"""The pid that no process of a `/proc` has."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a job; what it holds of processes and threads is true until the next one."""

    at_s: float
    ranks: tuple[RankView, ...]
    """The same object as in the sample before if none has changed."""
    progress: Mapping[int, Progress]
    graphs: Mapping[int, Graphs]
    """By rank: which threads may be blocked for ever."""
    tasks: Mapping[int, Mapping[int, WatchedTask]]
    """Every thread by pid and TID."""
    process_count: int
    thread_count: int
    moved_s: Mapping[int, float] = field(default_factory=dict)
    """By rank: when one of its threads was last seen to have run, come or gone; never long ago if it has ended."""
    redrawn: frozenset[int] = frozenset()
    """Ranks that have other graphs than in the sample before."""
    news: int = 0
    """Another number than in the sample before if processes have come, gone, exec'd or been adopted."""

    def run_count(self, pid: int, tid: int) -> int | None:
        """Return how often a thread ran; None if it is gone."""
        task = self.tasks.get(pid, {}).get(tid)
        return None if task is None else task.run_count

    def quiet(self, window_s: float) -> frozenset[int]:
        """Return the ranks in which nothing has moved for as long as that."""
        return frozenset(rank for rank, moved_s in self.moved_s.items() if self.at_s - moved_s >= window_s)


class _Tasks(Mapping[int, Mapping[int, WatchedTask]]):
    """The threads of all processes by pid and TID, looked up where they are asked for."""

    def __init__(self, processes: Mapping[int, WatchedProcess]) -> None:
        self.processes = processes

    def __getitem__(self, pid: int) -> Mapping[int, WatchedTask]:
        return self.processes[pid].tasks

    def __iter__(self) -> Iterator[int]:
        return iter(self.processes)

    def __len__(self) -> int:
        return len(self.processes)


class _Progresses(Mapping[int, Progress]):
    """The progress of each rank, made where it is asked for: of a thousand ranks it takes a millisecond."""

    def __init__(self, ranks: Mapping[int, RankView], processes: Mapping[int, WatchedProcess], now_s: float) -> None:
        self.ranks = ranks
        self.processes = processes
        self.now_s = now_s

    def __getitem__(self, rank: int) -> Progress:
        quiet = tuple(Quiet(member, self._quiet_s(member.pid)) for member in self.ranks[rank].members)
        return Progress(rank, min((each.quiet_s for each in quiet), default=0.0), quiet)

    def _quiet_s(self, pid: int) -> float:
        process = self.processes.get(pid)
        return 0.0 if process is None else self.now_s - process.moved_s

    def __iter__(self) -> Iterator[int]:
        return iter(self.ranks)

    def __len__(self) -> int:
        return len(self.ranks)


class Sampler:
    """Watches every process of a job below `root`; a pid is that of a process which is not itself part of the job.

    `command` is the pid that stands for the job where no launcher is recognised; None if nothing does. `own` is
    hangprobe's environment. `crew`: the workers of this node, where the job is an ensemble of tasks.
    """

    def __init__(
        self,
        reader: Reader,
        host: str,
        root: int | Roots,
        command: int | None,
        own: Mapping[str, str],
        crew: Crew | None = None,
    ) -> None:
        self.reader = reader
        self.command = command
        self.crew = crew
        self.arch = machine()
        self.roster = Roster(reader, host, Roots.of(root) if isinstance(root, int) else root, own)
        self.processes = self.roster.processes
        self._ranks: tuple[RankView, ...] = ()
        self._news: int | None = None
        """The roster's, when the ranks were told from it."""
        self._by_rank: dict[int, RankView] = {}
        self._rank_of: dict[int, int] = {}
        self._moved_s: dict[int, float] = {}
        self._graphs: dict[int, Graphs] = {}
        self._drawn_s: dict[int, float] = {}
        self._stale: set[int] = set()
        """Ranks whose graphs are to be drawn anew."""

    def close(self) -> None:
        """Close every file that is kept open."""
        self.roster.close()

    def forgive(self, pause_s: float) -> None:
        """Leave out a time in which nobody looked: hangprobe was stopped, and perhaps the job with it."""
        for process in self.processes.values():
            process.moved_s += pause_s
        self._moved_s = {rank: moved_s + pause_s for rank, moved_s in self._moved_s.items()}

    def lineage(self) -> list[tuple[ProcessId, int, bool]]:
        """Return every process with its parent's pid and whether it is forked and has not exec'd."""
        return [(process.id, process.parent, process.is_forked) for process in self.processes.values()]

    def sample(self, now_s: float) -> Sample:
        """Take one look at time `now_s` (monotonic seconds)."""
        self.roster.walk(now_s)
        for pid, task in self.roster.settled:
            task.shape = self._shape(pid, task.tid)
        self.attribute(is_forced=self.crew is not None and self.crew.has_newcomers())
        for pid in self.roster.moved.keys() & self._rank_of.keys():
            self._moved_s[self._rank_of[pid]] = now_s
        self._stale.update(self._rank_of[pid] for pid in self.roster.changed & self._rank_of.keys())
        redrawn = self._redraw(now_s)
        return Sample(
            at_s=now_s,
            ranks=self._ranks,
            progress=_Progresses(self._by_rank, self.processes, now_s),
            graphs=self._graphs,
            tasks=_Tasks(self.processes),
            process_count=len(self.processes),
            thread_count=self.roster.counts.watched,
            moved_s=self._moved_s,
            redrawn=redrawn,
            news=self.roster.news,
        )

    def _redraw(self, now_s: float) -> frozenset[int]:
        """Draw graphs where something has changed, those of large trees once a second; return the ranks it was for."""
        redrawn: list[int] = []
        for number in self._stale:
            rank = self._by_rank[number]
            members = {m.pid: self.processes[m.pid] for m in rank.members if m.pid in self.processes}
            if len(members) <= LARGE_TREE or now_s - self._drawn_s.get(number, -math.inf) >= LARGE_TREE_S:
                wide = possible_wakers(members, has_descriptors=True)
                self._graphs[number], self._drawn_s[number] = Graphs(possible_wakers(members), wide), now_s
                redrawn.append(number)
        self._stale.difference_update(redrawn)
        return frozenset(redrawn)

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
        if self._news == self.roster.news and not is_forced:
            return self._ranks
        self._news = self.roster.news
        places = self._places()
        tree = [
            Relative(process.id, process.parent, process.name, process.marker, len(process.tasks), process.is_forked)
            for pid, process in self.processes.items()
            if places is None or places.owner[pid] is None
        ]
        ranks = attribute(tree, NOBODY if self.command is None else self.command, self.reader)
        if places is not None:
            ranks = places.placed(ranks)
        if any(rank.launcher is not Launcher.NONE for rank in self._ranks):
            # Ranks that have ended leave their launcher behind: it is not a rank of its own.
            ranks = tuple(rank for rank in ranks if rank.launcher is not Launcher.NONE)
        if ranks and ranks != self._ranks:
            self._rearrange(ranks)
        self._moved_s = {rank.rank: max(map(self._moved, rank.members), default=math.inf) for rank in self._ranks}
        return self._ranks

    def _places(self) -> Places | None:
        """Return who is of which worker now; None where the job is no ensemble."""
        if self.crew is None:
            return None
        self.crew.read()
        parents = {pid: process.parent for pid, process in self.processes.items()}
        return Places(self.crew, parents, {pid: process.id for pid, process in self.processes.items()})

    def _moved(self, member: ProcessId) -> float:
        process = self.processes.get(member.pid)
        return math.inf if process is None else process.moved_s

    def _rearrange(self, ranks: tuple[RankView, ...]) -> None:
        """Take in which process is of which rank."""
        before, self._ranks = self._by_rank, ranks
        self._by_rank = {rank.rank: rank for rank in ranks}
        self._rank_of = {member.pid: rank.rank for rank in ranks for member in rank.members}
        self._stale = {
            number for number, rank in self._by_rank.items() if number in self._stale or before.get(number) != rank
        }
        self._graphs = {number: graphs for number, graphs in self._graphs.items() if number in self._by_rank}
        self._drawn_s = {number: drawn_s for number, drawn_s in self._drawn_s.items() if number in self._by_rank}
