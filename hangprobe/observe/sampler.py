"""The watchdog's steady state: which threads of a job have run since the last look, at no price worth naming.

Stage 1 reads one small file a thread, kept open (`schedstat`; its run count changes with every run). Stage 2 reads the
system call of threads that did not run, once per sleep: a thread that has not run since is in the same call. What
could be a knot by that much is worth a double collect (`snapshot`); nothing here proves anything.

Lists of threads and children are read again only for processes of which a thread ran: whoever starts a thread or a
child must run to do it. Orphans go to the guardian, whose children are read every time.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass

from hangprobe.model import Launcher, ProcessId, Progress, Quiet, RankView, Unreadable
from hangprobe.observe.candidates import Graphs, WatchedProcess, WatchedTask, possible_wakers
from hangprobe.observe.procfs import parse_call, parse_environ, parse_numbers, parse_run_count
from hangprobe.observe.ranks import Marker, Relative, attribute, marker
from hangprobe.observe.reader import Reader
from hangprobe.observe.waits.shapes import Shape, machine, shape

DESCRIPTORS_KEPT_FREE = 128
"""Of hangprobe's own limit: for files that it opens for a moment."""
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
        self.host = host
        self.root = root
        self.command = command
        self.own = own
        self.arch = machine()
        self.processes: dict[int, WatchedProcess] = {}
        self._ranks: tuple[RankView, ...] = ()
        self._ranks_key: object = None
        self._graphs: dict[int, _Drawn] = {}
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard and hard < 1 << 20:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        self._free = soft - DESCRIPTORS_KEPT_FREE

    def close(self) -> None:
        """Close every file that is kept open."""
        for process in list(self.processes.values()):
            self._forget(process)

    def forgive(self, pause_s: float) -> None:
        """Leave out a time in which nobody looked: hangprobe was stopped, and perhaps the job with it."""
        for process in self.processes.values():
            process.moved_s += pause_s

    def lineage(self) -> list[tuple[ProcessId, int, bool]]:
        """Return every process with its parent's pid and whether it is forked and has not exec'd."""
        return [(process.id, process.parent, process.is_forked) for process in self.processes.values()]

    def sample(self, now_s: float) -> Sample:
        """Take one look at time `now_s` (monotonic seconds)."""
        self._walk(now_s)
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

    def _walk(self, now_s: float) -> None:
        """Stage 1: from the root down, read run counts; whoever ran may have started something."""
        seen: set[int] = set()
        ahead = list(self._children(self.root))
        while ahead:
            pid = ahead.pop(0)
            if pid in seen:
                continue
            process = self.processes.get(pid) or self._meet(pid, now_s)
            if process is None:
                continue
            seen.add(pid)
            self._look(process, now_s)
            ahead += process.children
        for pid in self.processes.keys() - seen:
            process = self.processes[pid]
            if not self._is_gone(process):  # reparented to something that has not run since
                self._look(process, now_s)
            if not process.tasks or self._is_gone(process):
                self._forget(process)

    def _meet(self, pid: int, now_s: float) -> WatchedProcess | None:
        stat = self.reader.stat(pid)
        if isinstance(stat, Unreadable) or stat.start_time is None or stat.state in {"Z", "X"}:
            return None
        process = WatchedProcess(
            ProcessId(self.host, pid, stat.start_time),
            stat.parent or 0,
            stat.comm or "?",
            bool(stat.is_forked),
            self._marker(pid),
            moved_s=now_s,
        )
        self.processes[pid] = process
        self._ranks_key = None
        return process

    def _marker(self, pid: int) -> Marker | None:
        data = self.reader.guarded(pid, "environ")
        return None if isinstance(data, Unreadable) else marker(parse_environ(data), self.own)

    def _look(self, process: WatchedProcess, now_s: float) -> None:
        has_moved = not process.tasks
        for task in list(process.tasks.values()):
            if self._shows_the_same(task):
                task.has_run = False
                continue
            count = self._run_count(process.id.pid, task)
            if count is None:
                self._close(process.tasks.pop(task.tid))
                has_moved = True
                continue
            task.has_run = count != task.run_count
            if task.has_run:
                task.run_count, task.is_shaped, task.shape = count, False, None
                has_moved = True
        process.has_changed = has_moved
        if has_moved:
            process.moved_s = now_s
            self._relist(process)

    def _relist(self, process: WatchedProcess) -> None:
        """Read again what only a running thread can change: threads, children, parent, and the program itself."""
        pid = process.id.pid
        tids = self.reader.numbers(f"{pid}/task")
        if isinstance(tids, Unreadable):
            return
        for tid in tids:
            if tid not in process.tasks:
                task = WatchedTask(tid, self._open(pid, tid))
                task.run_count = self._run_count(pid, task) or -1
                process.tasks[tid] = task
        process.children = tuple(self._children(pid, tids))
        stat = self.reader.stat(pid)
        if isinstance(stat, Unreadable):
            return
        has_execed = stat.comm != process.name or (process.is_forked and stat.is_forked is False)
        if has_execed:
            process.marker = self._marker(pid)
        if has_execed or stat.parent != process.parent:
            process.parent = stat.parent or process.parent
            process.is_forked = bool(stat.is_forked)
            process.name = stat.comm or process.name
            self._ranks_key = None

    def _children(self, pid: int, tids: list[int] | None = None) -> list[int]:
        found: list[int] = []
        for tid in tids or [pid]:
            text = self.reader.text(f"{pid}/task/{tid}/children")
            if not isinstance(text, Unreadable):
                found += parse_numbers(text, "children")[0]
        return found

    def _open(self, pid: int, tid: int) -> int | None:
        if self._free <= 0:
            return None
        try:
            descriptor = os.open(f"{self.reader.root}/{pid}/task/{tid}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        self._free -= 1
        return descriptor

    def _shows_the_same(self, task: WatchedTask) -> bool:
        """Tell whether the kept file shows what it showed last, as most threads' do: there is nothing to parse."""
        if task.descriptor is None:
            return False
        try:
            shown = os.pread(task.descriptor, 128, 0)
        except OSError:
            return False
        is_same = shown == task.shown
        task.shown = shown
        return is_same

    def _run_count(self, pid: int, task: WatchedTask) -> int | None:
        """Return the run count; None if the thread has ended."""
        try:
            if task.descriptor is not None:
                text = os.pread(task.descriptor, 128, 0).decode(errors="replace")
            else:
                read = self.reader.text(f"{pid}/task/{task.tid}/schedstat")
                if isinstance(read, Unreadable):
                    return None
                text = read
        except OSError:
            return None
        count = parse_run_count(text)
        return 0 if isinstance(count, Unreadable) else count

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

    def _is_gone(self, process: WatchedProcess) -> bool:
        stat = self.reader.stat(process.id.pid)
        return isinstance(stat, Unreadable) or stat.start_time != process.id.start_time or stat.state in {"Z", "X"}

    def _forget(self, process: WatchedProcess) -> None:
        for task in process.tasks.values():
            self._close(task)
        self.processes.pop(process.id.pid, None)
        self._ranks_key = None

    def _close(self, task: WatchedTask) -> None:
        if task.descriptor is not None:
            os.close(task.descriptor)
            self._free += 1
