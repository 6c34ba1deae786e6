"""The processes of a job between two samples: who is there, which of their threads have run, who came and who went.

Stage 1 of the steady state. Its price is one number a process (`cputimes`), and what has changed: run counts are read
of processes that have run, and lists of threads and children only if the node has given a pid to anybody meanwhile
(`births`), for whoever starts a thread or a child must run to do it. Orphans go to a root or an adopter (`roots`),
whose children are read every time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from hangprobe.model import ProcessId, Unreadable
from hangprobe.observe.births import Births
from hangprobe.observe.candidates import WatchedProcess, WatchedTask
from hangprobe.observe.cputimes import CpuTimes
from hangprobe.observe.procfs import parse_environ, parse_numbers
from hangprobe.observe.ranks import job_marker
from hangprobe.observe.reader import Reader
from hangprobe.observe.roots import Roots
from hangprobe.observe.runcounts import RunCounts

RELIST_S = 5.0
"""Between two lists of the threads and children of a process that runs, while no pid is given to anybody."""
ALL_S = 30.0
"""Between two looks at every thread itself, whatever the CPU times of the processes say: twice in a stall's window."""
YOUNG_S = 2.0
"""For how long a process is listed whenever it has run: in a rank's first moments shells and wrappers exec."""


class Roster:
    """Every process of a job, as `roots` has it; `own` is the environment of which no variable names a rank of it."""

    def __init__(self, reader: Reader, host: str, roots: Roots, own: Mapping[str, str]) -> None:
        self.reader = reader
        self.host = host
        self.roots = roots
        self.own = own
        self.counts = RunCounts(reader)
        self.births = Births(reader)
        self.cpu_times = CpuTimes(reader)
        self.processes: dict[int, WatchedProcess] = {}
        self.news = 0
        """Grows whenever a process has come, gone, exec'd or been adopted, or has no longer the one thread."""
        self.moved: dict[int, WatchedProcess] = {}
        """By pid: processes of which a thread has run, come or gone since the walk before."""
        self.changed: set[int] = set()
        """Processes of which a thread has come, gone, fallen asleep or woken up since the walk before."""
        self.settled: list[tuple[int, WatchedTask]] = []
        """By pid: threads that had run at the walk before, and have not since."""
        self._awake: dict[WatchedTask, int] = {}
        """Threads that had run at the last walk, and of which process they are."""
        self._all_s = -math.inf
        self._moved_before: dict[int, WatchedProcess] = {}
        self._had_births = True
        self._strangers: set[int] = set()
        """Children of adopters that are not of the job."""

    def close(self) -> None:
        """Close every file that is kept open."""
        for process in list(self.processes.values()):
            self._forget(process)

    def walk(self, now_s: float) -> None:
        """Find out who has run, list again what may have grown, and meet whoever has come."""
        births = self.births.has_any()  # asked first: whoever is started from here on is in the next walk's answer
        self._moved_before, self.moved, self.changed = self.moved, {}, set()
        self._look(now_s)
        ahead = self._tops()
        for process in self._may_have_grown(births, now_s):
            self._relist(process, now_s)
            ahead += process.children
        for process in [process for process in self.moved.values() if not process.tasks]:
            self._forget(process)
        for pid in self.roots.without & self.processes.keys():
            self._forget(self.processes[pid])
        self._meet_all(ahead, now_s)
        for process in self.moved.values():
            process.moved_s = now_s
        self.settled = [(pid, task) for pid, task in self.settled if not task.has_ended]

    def _look(self, now_s: float) -> None:
        """Note which threads have run, ended, or fallen asleep: of processes that have run, and now and then of all."""
        was_awake, self._awake = self._awake, {}
        times_ns = self.cpu_times.sweep() if self.cpu_times.is_usable else {}
        is_for_all = not self.cpu_times.is_usable or now_s - self._all_s >= ALL_S
        if is_for_all:
            self._all_s = now_s
        for pid in self.processes if is_for_all else times_ns:
            process = self.processes[pid]
            for task in self.counts.look(process, times_ns.get(pid), is_for_all):
                self.moved[pid] = process
                if task.has_ended:
                    self.counts.close(process.tasks.pop(task.tid))
                    self._count(process, before=len(process.tasks) + 1)
                else:
                    self._awake[task] = pid
                    self.changed.update(() if task.has_run else (pid,))
                    task.has_run, task.shape = True, None
        self.settled = [(pid, task) for task, pid in was_awake.items() if task not in self._awake]
        for pid, task in self.settled:
            task.has_run = False
            self.changed.add(pid)

    def _count(self, process: WatchedProcess, before: int) -> None:
        """Note that a process has another number of threads than before."""
        self.changed.add(process.id.pid)
        if (before == 1) is not (len(process.tasks) == 1):
            self.news += 1

    def _may_have_grown(self, births: bool, now_s: float) -> list[WatchedProcess]:
        """Return the processes whose lists of threads and children may be out of date: whoever starts one must run.

        A pid is given before the new thread or process is in any list, and its starter may have run before the walk
        came by or after it: so one walk's births call for a look at whoever moved at this walk or at the one before,
        and at the next. Whoever execs starts nothing, and is looked at now and then.
        """
        has_births, self._had_births = births or self._had_births, births
        if has_births:
            before = (p for pid, p in self._moved_before.items() if pid not in self.moved and pid in self.processes)
            return [*self.moved.values(), *before]
        return [
            process
            for process in self.moved.values()
            if now_s - process.met_s < YOUNG_S or now_s - process.listed_s >= RELIST_S or not process.tasks
        ]

    def _tops(self) -> list[int]:
        """Return the processes of the job that are nobody's children in it, as far as they are to be seen."""
        roots = self.roots
        tops = [child for parent in roots.parents for child in self._children(parent, self._tids(parent))]
        for pid, member in list(roots.members.items()):
            stat = None if pid in self.processes else self.reader.stat(pid)
            if stat is None or (not isinstance(stat, Unreadable) and stat.start_time == member.start_time):
                tops.append(pid)
            else:
                del roots.members[pid]
        return [*tops, *self._adopted()] if roots.adopters else tops

    def _adopted(self) -> list[int]:
        """Return the children of adopters that are of the job; of each it is read only once whether it is."""
        children = [child for adopter in self.roots.adopters for child in self._children(adopter)]
        self._strangers.intersection_update(children)
        return [pid for pid in children if pid in self.processes or (pid not in self._strangers and self._owns(pid))]

    def _owns(self, pid: int) -> bool:
        data = self.reader.guarded(pid, "environ")
        if not isinstance(data, Unreadable) and self.roots.owns(parse_environ(data)):
            return True
        if data:  # empty in the midst of an exec: to be read again
            self._strangers.add(pid)
        return False

    def _meet_all(self, ahead: list[int], now_s: float) -> None:
        while ahead:
            pid = ahead.pop()
            if pid in self.processes or pid in self.roots.without:
                continue
            process = self._meet(pid, now_s)
            if process is not None:
                ahead += process.children

    def _meet(self, pid: int, now_s: float) -> WatchedProcess | None:
        stat = self.reader.stat(pid)
        if isinstance(stat, Unreadable) or stat.start_time is None or stat.state in {"Z", "X"}:
            return None
        process = WatchedProcess(
            ProcessId(self.host, pid, stat.start_time),
            stat.parent or 0,
            stat.comm or "?",
            bool(stat.is_forked),
            None,
            moved_s=now_s,
            met_s=now_s,
        )
        self._read_marker(process)
        self._relist(process, now_s)
        if not process.tasks:
            self.moved.pop(pid, None)
            return None
        self.processes[pid] = process
        self.cpu_times.add(pid)
        self.news += 1
        return process

    def _read_marker(self, process: WatchedProcess) -> None:
        data = self.reader.guarded(process.id.pid, "environ")
        process.is_marked = bool(data) and not isinstance(data, Unreadable)
        process.marker = None if isinstance(data, Unreadable) else job_marker(parse_environ(data), self.own)

    def _relist(self, process: WatchedProcess, now_s: float) -> None:
        """Read again what only a running thread can change: threads, children, parent, and the program itself."""
        pid, before = process.id.pid, len(process.tasks)
        stat = self.reader.stat(pid)
        if isinstance(stat, Unreadable):
            return
        if stat.start_time != process.id.start_time or stat.has_ended:
            self.moved[pid] = process
            self._end(process)
            return
        # Who has ended is known by its file: the same number of threads are the same threads.
        tids = list(process.tasks) if stat.thread_count == before else self._tids(pid)
        for tid in tids:
            if tid not in process.tasks:
                process.tasks[tid] = task = self.counts.meet(pid, tid)
                self._awake[task] = pid
        if len(process.tasks) != before:
            self._count(process, before)
            self.moved[pid] = process
        process.listed_s = now_s
        process.children = tuple(self._children(pid, tids))
        has_execed = stat.comm != process.name or (process.is_forked and stat.is_forked is False)
        if has_execed or not process.is_marked:
            self._read_marker(process)
            self.news += process.is_marked and not has_execed
        if has_execed or stat.parent != process.parent:
            process.parent = stat.parent or process.parent
            process.is_forked = bool(stat.is_forked)
            process.name = stat.comm or process.name
            self.news += 1

    def _children(self, pid: int, tids: list[int] | None = None) -> list[int]:
        found: list[int] = []
        for tid in tids or [pid]:
            text = self.reader.text(f"{pid}/task/{tid}/children")
            if not isinstance(text, Unreadable):
                found += parse_numbers(text, "children")[0]
        return found

    def _tids(self, pid: int) -> list[int]:
        """Return the threads of a process: a child is in the list of the thread that forked it, whichever that is."""
        tids = self.reader.numbers(f"{pid}/task")
        return [] if isinstance(tids, Unreadable) else tids

    def _end(self, process: WatchedProcess) -> None:
        for task in process.tasks.values():
            self.counts.close(task)
            self._awake.pop(task, None)
        process.tasks.clear()

    def _forget(self, process: WatchedProcess) -> None:
        self._end(process)
        self.processes.pop(process.id.pid, None)
        self.cpu_times.remove(process.id.pid)
        self.moved.pop(process.id.pid, None)
        self.changed.add(process.id.pid)
        self.news += 1
