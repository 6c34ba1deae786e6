"""What the rules look at, and what they make of it."""

from __future__ import annotations

from dataclasses import dataclass

from hangprobe.evidence import Lineage, LockFacts, Stack
from hangprobe.judgement import RankVerdict
from hangprobe.model import ProcessView, StartMethod, Stdin, ThreadId, ThreadView


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of one thread that a rank depends on."""

    verdict: RankVerdict
    thread: ThreadId
    view: ThreadView
    process: ProcessView
    lineage: Lineage | None = None
    lock: LockFacts | None = None
    stack: Stack | None = None
    code: tuple[str, ...] = ()
    """The libraries it waits inside of, nearest first."""
    members: tuple[ThreadView, ...] = ()
    """All threads that the rank depends on, this one among them."""
    stdin: Stdin | None = None
    """The rank's standard input, if it never ends."""

    @property
    def parent(self) -> str:
        """The fork parent in words."""
        if self.lineage is None or self.lineage.parent is None:
            return "a process that has ended"
        return f"pid {self.lineage.parent.pid}"


@dataclass(frozen=True, slots=True)
class Cause:
    """What a rule makes of a case."""

    mechanism: str
    likely: bool
    detail: tuple[tuple[str, str], ...]
    clause: str
    """Completes "ranks 1-3: child N, ...": no pid in it, so that ranks that are alike can be told in one sentence."""
    evidence: tuple[str, ...]


def is_forked_child(case: Case) -> bool:
    """Tell whether the process was forked and has not exec'd."""
    methods = {StartMethod.FORK, StartMethod.FORKSERVER}
    return case.process.is_forked is True or (case.lineage is not None and case.lineage.start_method in methods)


def own_tids(case: Case) -> str:
    """Return the threads of the process in words."""
    return ", ".join(str(thread.id.tid) for thread in case.process.threads)


def fork_evidence(case: Case) -> tuple[str, ...]:
    """Return the line that says where the process comes from."""
    return (f"pid {case.process.id.pid} was forked by {case.parent} and has not exec'd (PF_FORKNOEXEC)",)
