"""The mechanisms and the mitigations: text only. Slugs are a public contract."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One way in which a program that forks under MPI hangs."""

    slug: str
    title: str
    text: str
    mitigations: tuple[str, ...] = ()
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Mitigation:
    """One change that cures some mechanisms."""

    slug: str
    title: str
    text: str


MECHANISMS = {
    mechanism.slug: mechanism
    for mechanism in (
        Mechanism(
            "fork-orphaned-lock",
            "A lock was held by another thread when the process forked",
            "fork(2) copies the memory but only the calling thread. A lock that another thread held at that moment is "
            "locked in the child for ever: the thread that would unlock it does not exist there.",
            ("spawn", "forkserver", "fork-first", "acquire-before-fork", "reinit-lock"),
            "fork(3p), pthread_atfork(3); https://docs.python.org/3/library/os.html#os.fork",
        ),
        Mechanism(
            "deadlock",
            "Threads wait for each other in a circle",
            "Every thread of the knot waits for another member of it, or for itself.",
            (),
            "Chandy, Misra, Haas: Distributed deadlock detection, ACM TOCS 1(2), 1983",
        ),
        Mechanism(
            "dead-helper",
            "A helper can never wake, but the rank works on",
            "All threads of a helper process can be woken by nobody but a signal. Many programs park a child like this "
            "and terminate it at the end; it is reported because it may be an orphaned pool worker.",
            (),
        ),
    )
}

MITIGATIONS = {
    mitigation.slug: mitigation
    for mitigation in (
        Mitigation(
            "spawn",
            "start children by spawn",
            'multiprocessing.get_context("spawn"): the child is a fresh interpreter and inherits no lock. Import '
            "mpi4py inside main() only, or the child runs MPI_Init again.",
        ),
        Mitigation(
            "forkserver",
            "start children by forkserver",
            'multiprocessing.get_context("forkserver"), set before threads and MPI start: children are forked from a '
            "server that has one thread and holds no lock.",
        ),
        Mitigation(
            "fork-first",
            "fork before threads are started",
            "Create pools and children before the first thread that takes locks, and before MPI_Init where possible.",
        ),
        Mitigation(
            "acquire-before-fork",
            "hold the lock around the fork",
            "os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release): "
            "nobody else can hold it at the fork.",
        ),
        Mitigation(
            "reinit-lock",
            "make the lock anew in the child",
            "os.register_at_fork(after_in_child=lock._at_fork_reinit): CPython does the same for its own locks.",
        ),
    )
}
