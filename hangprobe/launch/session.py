"""Start a job, transparently or captured, and own it until nothing of it is left.

hangprobe's half of the bargain; the other is the guardian process. Whatever way a `Session` is left, by its
end, by an exception or by kill -9 of either process, the job's tree is ended:

- hangprobe killed: the guardian sees EOF and ends the tree.
- guardian killed: hangprobe is a subreaper too, inherits the tree, ends it and raises GuardianLost.

Assumes: one thread starts sessions and polls them; hangprobe changes no signal disposition; other children that
hangprobe starts during a session may be ended with the job if the guardian is lost.
"""

from __future__ import annotations

import contextlib
import errno
import json
import marshal
import os
import select
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from hangprobe.errors.jobs import CommandNotStarted, GuardianLost
from hangprobe.launch import owner, startup
from hangprobe.launch.ending import send
from hangprobe.launch.proctree import Process

TERM_S = 2.0
LINGER_S = 0.25  # for what ends by itself right after the command: a tee on its output
NOTE_LIMIT_S = 0.5  # reading the maps of a dozen ranks takes 10 ms
ASKS_TO_END = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
ANSWER_LIMIT_S = 15.0  # END_LIMIT_S of ending.py and the reading of /proc around it


@dataclass(frozen=True, slots=True)
class Capture:
    """A captured job has its own session, and files for its standard descriptors."""

    stdout: Path
    stderr: Path  # may be the same file
    stdin: Path = Path("/dev/null")


@dataclass(frozen=True, slots=True)
class LaunchSpec:
    """What to start, and how."""

    command: tuple[str, ...]
    tag: str  # HANGPROBE_JOB in its environment; no other job may have it
    environment: Mapping[str, str] = field(default_factory=dict)  # additions to hangprobe's own
    cwd: Path | None = None  # None: hangprobe's
    capture: Capture | None = None  # None: transparent, as if hangprobe were not there
    written: tuple[str, ...] = ()  # the command as its user wrote it, for the document; empty: as it is
    remove: tuple[Path, ...] = ()  # files that the guardian removes once the job has ended


@dataclass(frozen=True, slots=True)
class Exit:
    """How the command ended."""

    status: int  # as a shell shows it: 128+N for signal N
    signal: int | None = None
    max_rss_bytes: int | None = None  # of the command and the children it waited for; None if unknown


@dataclass(frozen=True, slots=True)
class Ended:
    """What ending the tree came to."""

    killed: int  # processes that got SIGKILL
    signalled: int  # processes that got SIGTERM
    left: tuple[str, ...]  # "pid name (state)" of what is still there: uninterruptible, or another user's
    removed: tuple[str, ...] = ()  # shared memory of MPI runtimes that was removed


class Session:
    """A running job; a context manager whose exit leaves nothing running."""

    def __init__(self, spec: LaunchSpec, original_mask: Iterable[int] | None = None) -> None:
        """Start the job; raises CommandNotStarted. `original_mask`: the signal mask the command starts with."""
        startup.fill_standard_descriptors()
        startup.become_subreaper()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ()) if original_mask is None else original_mask
        self.spec = spec
        self.command_pid = self.command_start_time = -1
        self._exit: Exit | None = None
        self._is_noted = False
        self._ended: Ended | None = None
        self._failure: str | None = None
        self._failed_start: tuple[int, str] | None = None
        self._unread = b""
        self._not_ours = owner.children()
        self._control, self.guardian_pid = owner.spawn_guardian()
        try:
            with contextlib.suppress(OSError):  # a guardian that died at once shows as EOF below
                self._control.sendall(_start_message(spec, mask))
            while self.command_pid < 0 and self._failed_start is None:
                self._receive(None)
        except BaseException:
            self.end(0)
            raise
        if self._failed_start:
            self.finish()
            raise _not_started(spec, *self._failed_start)

    def fileno(self) -> int:
        """Readable when the guardian has news."""
        return self._control.fileno()

    def poll(self) -> Exit | None:
        """Return how the command ended, None while it runs; GuardianLost, once the tree has been ended instead."""
        if self._exit is None and self._ended is None:
            with contextlib.suppress(TimeoutError):
                self._receive(0)
        if self._exit is None and self._ended is not None:
            if self._failure is not None:
                raise GuardianLost(self._failure)
            return Exit(128 + signal.SIGKILL, signal.SIGKILL)  # killed, but not seen to end
        return self._exit

    def signal(self, signum: int) -> None:
        """Send a signal to the command; nothing happens if it has ended."""
        if self._exit is not None:
            return
        if signum in ASKS_TO_END:
            self._note()
        send(Process(self.command_pid, 0, self.command_start_time, "", 0, ""), signum)

    def end(self, term_s: float = TERM_S) -> Ended:
        """SIGTERM to the command, SIGKILL to all that is left after `term_s`; at most `term_s` + 15 s."""
        return self._close({"end": {"term_s": term_s}}, term_s + ANSWER_LIMIT_S)

    def finish(self) -> Ended:
        """End what the command left behind, then the guardian; the command itself must have ended."""
        times = {"linger_s": LINGER_S, "term_s": TERM_S}
        return self._close({"finish": times}, LINGER_S + TERM_S + ANSWER_LIMIT_S)

    def release_stdio(self) -> None:
        """Point descriptors 0 and 1 of this process at /dev/null, so that it keeps no pipe open."""
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)

    def __enter__(self) -> Self:
        """Return the session; it was started when it was made."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End whatever is left."""
        if self._exit is None:
            self.end()
        else:
            self.finish()

    def _receive(self, limit_s: float | None) -> None:
        """Take in events, waiting for the first; GuardianLost when there will be none."""
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        if not poller.poll(None if limit_s is None else 1000 * limit_s):
            raise TimeoutError
        try:
            piece = self._control.recv(65536)
        except ConnectionError:
            piece = b""
        *lines, self._unread = (self._unread + piece).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        if not piece:
            self._ended = self._take_over()
            self._failure = self._failure or f"the guardian of '{self.spec.command[0]}' (pid {self.guardian_pid}) died"
            raise GuardianLost(self._failure)

    def _note(self) -> None:
        """Let the guardian note the ranks' shared memory: an mpiexec that is asked to end kills them at once."""
        self._is_noted = False
        deadline = time.monotonic() + NOTE_LIMIT_S
        with contextlib.suppress(OSError, GuardianLost):  # poll() tells of a lost guardian
            self._control.sendall(json.dumps({"note": {}}).encode() + b"\n")
            while not self._is_noted and self._exit is None:
                self._receive(max(0.0, deadline - time.monotonic()))

    def _take(self, event: dict[str, Any]) -> None:
        if "started" in event:
            self.command_pid, self.command_start_time = event["started"], event["start_time"]
        elif "not_started" in event:
            self._failed_start = event["not_started"], event["step"]
        elif "exited" in event:
            number = os.waitstatus_to_exitcode(event["exited"])
            memory = 1024 * int(event["rusage"]["max_rss_kib"])
            self._exit = Exit(number, None, memory) if number >= 0 else Exit(128 - number, -number, memory)
        elif "ended" in event:
            answer = event["ended"]
            left = tuple(f"{pid} {name} ({state})" for pid, name, state in answer["left"])
            self._ended = Ended(answer["killed"], answer["signalled"], left, tuple(answer["removed"]))
        elif "noted" in event:
            self._is_noted = True
        elif "failed" in event:
            self._failure = f"the guardian failed: {event['failed']}"

    def _close(self, order: dict[str, Any], limit_s: float) -> Ended:
        deadline = time.monotonic() + limit_s
        try:
            if self._ended is None:
                self._control.sendall(json.dumps(order).encode() + b"\n")
            while self._ended is None:
                self._receive(max(0.0, deadline - time.monotonic()))
        except (OSError, GuardianLost):
            self._ended = self._ended or self._take_over()
        self._control.close()
        owner.dismiss(self.guardian_pid)
        return self._ended

    def _take_over(self) -> Ended:
        outcome = owner.take_over(self.guardian_pid, self.spec.tag, self._not_ours)
        left = tuple(f"{process.pid} {process.name} ({process.state})" for process in outcome.left)
        return Ended(outcome.killed, 0, left)


def _start_message(spec: LaunchSpec, mask: Iterable[int]) -> bytes:
    """Return what the guardian needs to know: plain types in marshal, with their length before them."""
    additions = {**spec.environment, "HANGPROBE_JOB": spec.tag}
    files = (spec.capture.stdin, spec.capture.stdout, spec.capture.stderr) if spec.capture else ()
    start: startup.Start = {
        "command": [os.fsencode(argument) for argument in spec.command],
        "environment": {os.fsencode(name): os.fsencode(value) for name, value in additions.items()},
        "cwd": os.fsencode(spec.cwd) if spec.cwd else None,
        "files": [os.fsencode(file.absolute()) for file in files],
        "mask": [int(number) for number in mask],
        "tag": spec.tag,
        "owner": os.getpid(),
        "remove": [os.fsencode(file.absolute()) for file in spec.remove],
    }
    text = marshal.dumps(cast(dict[str, Any], start))
    return len(text).to_bytes(4, "little") + text


def _not_started(spec: LaunchSpec, error: int, step: str) -> CommandNotStarted:
    """Translate an exec failure: 127 for a command that is not there, else 126, as timeout(1) does."""
    why = os.strerror(error)
    if step == "folder":
        why = f"cannot enter {spec.cwd}: {why}"
    elif step == "file":
        why = f"cannot open its files for input and output: {why}"
    return CommandNotStarted(spec.command[0], why, 127 if (error, step) == (errno.ENOENT, "command") else 126)
