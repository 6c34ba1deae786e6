"""The processes of a job between two samples: who is there, which of their threads have run, who came and who went.

Stage 1 of the steady state. Lists of threads and children are read again only for processes of which a thread ran:
whoever starts a thread or a child must run to do it. Orphans go to the guardian, whose children are read every time.
"""

from __future__ import annotations

from collections.abc import Mapping

from hangprobe.model import ProcessId, Unreadable
from hangprobe.observe.candidates import WatchedProcess
from hangprobe.observe.procfs import parse_environ, parse_numbers
from hangprobe.observe.ranks import Marker, marker
from hangprobe.observe.reader import Reader
from hangprobe.observe.runcounts import RunCounts


class Roster:
    """Every process below `root`, which is not itself part of the job; `own` is hangprobe's environment."""

    def __init__(self, reader: Reader, host: str, root: int, own: Mapping[str, str]) -> None:
        self.reader = reader
        self.host = host
        self.root = root
        self.own = own
        self.counts = RunCounts(reader)
        self.processes: dict[int, WatchedProcess] = {}
        self.has_news = True
        """Whether a process has come, gone, exec'd or been adopted; whoever has taken it in sets it to False."""

    def close(self) -> None:
        """Close every file that is kept open."""
        for process in list(self.processes.values()):
            self._forget(process)

    def walk(self, now_s: float) -> None:
        """From the root down, read run counts; whoever ran may have started something."""
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
        self.has_news = True
        return process

    def _marker(self, pid: int) -> Marker | None:
        data = self.reader.guarded(pid, "environ")
        return None if isinstance(data, Unreadable) else marker(parse_environ(data), self.own)

    def _look(self, process: WatchedProcess, now_s: float) -> None:
        has_moved = not process.tasks
        for task in list(process.tasks.values()):
            if self.counts.is_unchanged(task):
                task.has_run = False
                continue
            count = self.counts.read(process.id.pid, task)
            if count is None:
                self.counts.close(process.tasks.pop(task.tid))
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
                process.tasks[tid] = self.counts.meet(pid, tid)
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
            self.has_news = True

    def _children(self, pid: int, tids: list[int] | None = None) -> list[int]:
        found: list[int] = []
        for tid in tids or [pid]:
            text = self.reader.text(f"{pid}/task/{tid}/children")
            if not isinstance(text, Unreadable):
                found += parse_numbers(text, "children")[0]
        return found

    def _is_gone(self, process: WatchedProcess) -> bool:
        stat = self.reader.stat(process.id.pid)
        return isinstance(stat, Unreadable) or stat.start_time != process.id.start_time or stat.state in {"Z", "X"}

    def _forget(self, process: WatchedProcess) -> None:
        for task in process.tasks.values():
            self.counts.close(task)
        self.processes.pop(process.id.pid, None)
        self.has_news = True
