"""The workloads that `compare` knows: a name, what it shows, and what is to be expected of it.

Only the table; the functions stand in subject/, and a worker imports the one that it needs. Stand-alone (Python 3.8):
imported by hangprobe and by workers.

GNU parallel cures a standard input that never ends, which comes from the MPI launcher. A fork under a lock hangs in any
worker, however its manager was started; and an output that a daemon keeps is waited for by sshd as by mpiexec.
"""

from __future__ import annotations

from typing import NamedTuple

MUST_HANG, MUST_COMPLETE = "must-hang", "must-complete"


class Workload(NamedTuple):
    """One kind of task."""

    name: str
    says: str
    """One line, for `hangprobe list workloads`."""
    mechanism: str | None
    """The slug of what is found; None: it hangs nowhere."""
    hangs_under: str
    """`nothing`, `any` launcher, or `mpiexec`: only where the launcher feeds its ranks."""
    module: str
    """Below hangprobe.ensemble.subject."""
    function: str
    """Called as function(task_number)."""
    control: str | None = None
    """MUST_HANG or MUST_COMPLETE for the two that show that a block of trials is evidence."""

    is_drained: bool = False
    """Its managers are told to end once its tasks have, and the launcher is waited for: it is what would hang."""

    @property
    def expect(self) -> str:
        """Return the expectation in one phrase: `launcher-stdin: mpiexec only`."""
        if self.mechanism is None:
            return "completes"
        return f"{self.mechanism}: {'mpiexec only' if self.hangs_under == 'mpiexec' else 'any launcher'}"


_ORPHANED = "fork-orphaned-lock"
TABLE = {
    each.name: each
    for each in (
        Workload("noop", "does nothing", None, "nothing", "plain", "noop", control=MUST_COMPLETE),
        Workload("sleep", "sleeps", None, "nothing", "plain", "sleep"),
        Workload(
            "fork-pool",
            "a multiprocessing.Pool under fork maps a function, and ends",
            None,
            "nothing",
            "plain",
            "fork_pool",
        ),
        Workload("bash", "a bash_app that echoes", None, "nothing", "plain", "bash"),
        Workload(
            "mpi-task",
            "starts an MPI program: mpiexec -n 2",
            None,
            "nothing",
            "plain",
            "mpi_task",
        ),
        Workload(
            "stdin-child",
            "starts a program that reads its standard input: subprocess.run(['cat'])",
            "launcher-stdin",
            "mpiexec",
            "launched",
            "stdin_child",
        ),
        Workload(
            "stdin-fork",
            "forks a child that reads descriptor 0",
            "launcher-stdin",
            "mpiexec",
            "launched",
            "stdin_fork",
        ),
        Workload(
            "kept-stdout",
            "leaves a daemon that keeps the output: tasks and managers end, their launcher does not",
            "stdio-kept-open",
            "any",
            "launched",
            "kept_stdout",
            is_drained=True,
        ),
        Workload(
            "thread-lock",
            "forks while a thread holds a threading.Lock; the child takes it",
            _ORPHANED,
            "any",
            "threadlocks",
            "thread_lock",
            control=MUST_HANG,
        ),
        Workload("rlock", "the same with a threading.RLock", _ORPHANED, "any", "threadlocks", "rlock"),
        Workload(
            "queue-mutex", "the same with the mutex in a queue.Queue", _ORPHANED, "any", "threadlocks", "queue_mutex"
        ),
        Workload(
            "buffered-io",
            "the same with the lock in a BufferedWriter whose pipe is full",
            _ORPHANED,
            "any",
            "threadlocks",
            "buffered_io",
        ),
        Workload("import-lock", "the same with a module's import lock", _ORPHANED, "any", "threadlocks", "import_lock"),
        Workload("c-mutex", "the same with a pthread mutex", _ORPHANED, "any", "nativelocks", "c_mutex"),
        Workload(
            "openmp",
            "an OpenMP region, then a fork whose child runs one too",
            "openmp-pool-lost",
            "any",
            "nativelocks",
            "openmp",
        ),
        Workload(
            "flock",
            "a file lock kept by a helper forked under it; the next task on the node waits for it",
            "leaked-file-lock",
            "any",
            "sharedlocks",
            "flock",
        ),
        Workload(
            "mp-lock",
            "a child is killed holding a multiprocessing.Lock; the next child takes it",
            "lock-holder-killed",
            "any",
            "sharedlocks",
            "mp_lock",
        ),
    )
}
