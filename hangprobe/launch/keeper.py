"""The guardian's event loop: reap, report, obey, and end the tree when asked or when hangprobe is gone.

Apart from guardian.py because it is imported only after the command has been started.

Lines of JSON over the control socket.
Orders: {"end": {"term_s": s}}, {"finish": {"linger_s": s, "term_s": s}}, {"note": {}}.
Events: "started", "not_started", "exited", "ended" and "noted" (answers to an order), "failed".
EOF is the order to end everything after a moment.

Standard library and siblings only. Assumes: a subreaper, single-threaded, SIGCHLD blocked.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from typing import Any

from hangprobe.launch import segments
from hangprobe.launch.ending import end_all, open_pidfd, send
from hangprobe.launch.proctree import Job, Process, read_process

ORPHANED_TERM_S = 0.5
"""For a command to tidy up after kill -9 of hangprobe; Hydra needs some 50 ms."""


class Keeper:
    """One command and everything below it."""

    def __init__(
        self, control: int, report: int, command: int, tag: str, owner: int, remove: list[bytes] | None = None
    ) -> None:
        """Take over what the guardian has started; `report` is where exec failures are written.

        `remove`: files that are removed once the tree has ended.
        """
        self.control, self.report, self.command = control, report, command
        self.remove = remove or []
        self.job = Job(os.getpid(), tag)
        self.segments: set[segments.Segment] = set()
        itself = read_process(command)
        self.start_time = itself.start_time if itself else 0
        self.is_all_ended = False
        self.began_s = time.time()
        self.unread = b""
        self.wake, wake_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        # EOF alone comes late if a process that hangprobe forked without exec holds its end of the socket.
        self.owner = open_pidfd(owner)
        self.poller = select.poll()
        for descriptor in (control, report, self.wake, self.owner):
            if descriptor >= 0:
                self.poller.register(descriptor, select.POLLIN)
        self.is_owner_gone = os.getppid() != owner

    def run(self) -> None:
        """Serve until hangprobe closes the socket or dies; leave nothing running."""
        try:
            self._reap()
            while not self.is_owner_gone:
                self._wait_for_news(None)
                self._obey()
        except Exception as problem:
            self._say(failed=repr(problem))
        finally:
            if not self.is_all_ended or self._reap():
                self._end_alone()
            for file in self.remove:
                with contextlib.suppress(OSError):
                    os.unlink(file)
            os._exit(0)

    def _wait_for_news(self, limit_s: float | None) -> None:
        for descriptor, _ in self.poller.poll(None if limit_s is None else 1000 * limit_s):
            if descriptor == self.wake:
                os.read(self.wake, 4096)
            elif descriptor == self.report:
                self._report_start()
            elif descriptor == self.owner:
                self.is_owner_gone = True
            else:
                self._read_orders()
        self._reap()

    def _read_orders(self) -> None:
        try:
            piece = os.read(self.control, 65536)
        except OSError:
            piece = b""
        self.is_owner_gone = self.is_owner_gone or not piece
        self.unread += piece

    def _obey(self) -> None:
        *lines, self.unread = self.unread.split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "end" in order:
                self._say(ended=self._end(**order["end"]))
            elif "note" in order:
                self._find_and_note()
                self._say(noted=len(self.segments))
            elif "finish" in order:
                self._say(ended=self._finish(**order["finish"]))

    def _say(self, **event: object) -> None:
        try:
            os.write(self.control, json.dumps(event).encode() + b"\n")
        except OSError:
            self.is_owner_gone = True

    def _report_start(self) -> None:
        """Tell how exec went: on success it closed the pipe, and nothing was written."""
        if self.report < 0:
            return
        text = os.read(self.report, 64)
        self.poller.unregister(self.report)
        os.close(self.report)
        self.report = -1
        if text:
            error, _, step = text.partition(b" ")
            self.command = -1
            self._say(not_started=int(error), step=step.decode())
        else:
            self._say(started=self.command, start_time=self.start_time)

    def _reap(self) -> bool:
        """Reap every zombie; False when no child is left, which for a subreaper means: no descendant."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.command:
                self._report_start()
            if pid == self.command:
                used = {"user_s": usage.ru_utime, "system_s": usage.ru_stime, "max_rss_kib": usage.ru_maxrss}
                self._say(exited=status, rusage=used)
                self.command = -1

    def _end(self, term_s: float) -> dict[str, Any]:
        """End the tree: SIGTERM to the command, which may know how to end its ranks; after `term_s` SIGKILL to all."""
        signalled = 0
        if term_s > 0 and self._reap():
            found = self._find_and_note()
            command = [process for process in found if process.pid == self.command]
            signalled = self._ask(command or found, term_s)
        return self._kill_all() | {"signalled": signalled}

    def _end_alone(self) -> None:
        """End the tree after hangprobe has gone; the command gets a moment to tidy up.

        A killed hydra_pmi_proxy leaves a /tmp/hydra_hwloc_xmlfile_*, one that is asked removes it (MPICH 5.0.2).
        """
        for descriptor in (self.control, self.owner):
            with contextlib.suppress(KeyError, ValueError):
                self.poller.unregister(descriptor)
        self.is_owner_gone = False
        self._end(ORPHANED_TERM_S)

    def _finish(self, linger_s: float, term_s: float) -> dict[str, Any]:
        """End what the command left behind; `linger_s` lets a `tee` on its output end by itself."""
        signalled = 0
        if self._reap():
            self._find_and_note()
            if not self._is_empty_within(linger_s):
                signalled = self._ask(self._find_and_note(), term_s)
        return self._kill_all() | {"signalled": signalled}

    def _ask(self, processes: list[Process], term_s: float) -> int:
        for process in processes:
            send(process, signal.SIGTERM)
            send(process, signal.SIGCONT)  # a stopped process would not see the first
        self._is_empty_within(term_s)
        return len(processes)

    def _is_empty_within(self, limit_s: float) -> bool:
        """Wait until no descendant is left; not longer than hangprobe lives."""
        deadline = time.monotonic() + limit_s
        while self._reap():
            rest_s = deadline - time.monotonic()
            if rest_s <= 0 or self.is_owner_gone:
                return False
            self._wait_for_news(rest_s)
        return True

    def _kill_all(self) -> dict[str, Any]:
        outcome = end_all(self.job, self._reap, self._note)
        self.is_all_ended = not outcome.left
        removed = segments.remove(self.segments | segments.made_since(self.began_s))
        removed += segments.remove_launcher_files(self.began_s)
        left = [(process.pid, process.name, process.state) for process in outcome.left]
        return {"killed": outcome.killed, "left": left, "removed": removed}

    def _find_and_note(self) -> list[Process]:
        found = self.job.find()
        self._note(found)
        return found

    def _note(self, processes: list[Process]) -> None:
        """Remember the shared memory that these processes have mapped, while they still have it."""
        self.segments |= segments.mapped_by(process.pid for process in processes)[0]
