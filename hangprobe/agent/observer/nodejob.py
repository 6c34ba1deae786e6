"""What a job has on this node, and its end: for the observer, which is no ancestor of the ranks.

Found by descent from the ranks that have named themselves, by the job's tag in the environment, and by what the watch
has seen below them; so a child that has left its tree, its session or its environment is found if it was seen once in
one of these. The launcher's own daemons go by themselves once their mpiexec has; what is left of them is ended too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from hangprobe.launch.ending import end_all, send
from hangprobe.launch.proctree import Identity, Job, Process, descendants, read_process
from hangprobe.launch.segments import Segment, mapped_by, remove

DAEMONS = {"hydra_pmi_proxy", "hydra_bstrap_pr", "prted", "orted"}
"""Names of what an mpiexec starts on each node, for one job only; a prted may be that of a DVM: `is_for_one_job`."""
DAEMONS_LEAVE_S = 1.0
"""After the last rank: Hydra's proxies need some 20 ms."""
POLL_S = 0.02


class NodeJob(Job):
    """The job's processes on this node."""

    def __init__(self, tag: str, spared: Callable[[], Collection[int]]) -> None:
        """`spared`: pids of hangprobe's own processes here."""
        super().__init__(root=-1, tag=tag)
        self.tag = tag
        self.spare = spared
        self.known: set[Identity] = set()
        """Every process of the job that was ever seen."""

    def see(self, seen: Iterable[Identity]) -> None:
        """Remember processes of the job."""
        self.known.update(seen)

    def find(self) -> list[Process]:
        """Return the job's processes that are alive now."""
        own = set(self.spare())
        return [process for process in super().find() if process.pid not in own]

    def below(self, table: dict[int, Process]) -> set[int]:
        """Return what was seen, and what is below that."""
        tops = {pid for pid, start_time in self.known if pid in table and table[pid].start_time == start_time}
        return tops | descendants(table, tops)

    def is_empty_within(self, limit_s: float) -> bool:
        """Wait until nothing of the job is left."""
        deadline_s = time.monotonic() + limit_s
        while self.find():
            if time.monotonic() >= deadline_s:
                return False
            time.sleep(POLL_S)
        return True

    def end(self, signum: int, linger_s: float, term_s: float, parents: Collection[Identity]) -> list[Process]:
        """End all: let it end by itself, ask with `signum`, kill; then the daemons. Return what is still there."""
        segments: set[Segment] = set()

        def note(processes: list[Process]) -> None:
            segments.update(mapped_by(process.pid for process in processes)[0])

        if not self.is_empty_within(linger_s):
            found = self.find()
            note(found)
            if term_s > 0:
                for process in found:
                    send(process, signum)
                self.is_empty_within(term_s)
        left = end_all(self, lambda: False, note).left
        left += _end_daemons(parents)
        remove(segments)
        return left


def is_for_one_job(process: Process) -> bool:
    """Tell whether a process is a launcher's daemon below which there is one job, and nothing else.

    Not the prted of a DVM, prte(1): its name space is `prte-HOST-PID@0` there and `prterun-HOST-PID@0` below an mpiexec
    (prted's command line in Open MPI 5.0). Not slurmstepd: of an interactive step the user's shell is below it.
    """
    return process.name in DAEMONS and not any(
        word.strip(b'"').startswith(b"prte-") for word in _command_line(process.pid).split(b"\0")
    )


def _command_line(pid: int) -> bytes:
    """Return the words of a process; of one that may not be read none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _end_daemons(parents: Collection[Identity]) -> list[Process]:
    """End the daemons above the ranks that have not left by themselves."""

    def alive() -> list[Process]:
        found = [process for pid, _ in parents if (process := read_process(pid)) is not None]
        return [process for process in found if process.identity in parents and process.is_alive]

    daemons = [process for process in alive() if is_for_one_job(process)]
    deadline_s = time.monotonic() + DAEMONS_LEAVE_S
    is_killed = False
    while daemons:
        time.sleep(POLL_S)
        now = {process.identity for process in alive()}
        daemons = [process for process in daemons if process.identity in now]
        if time.monotonic() >= deadline_s:
            if is_killed:
                break
            for process in daemons:
                send(process, 9)
            deadline_s, is_killed = time.monotonic() + DAEMONS_LEAVE_S, True
    return daemons
