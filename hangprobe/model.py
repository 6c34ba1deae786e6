"""The words of the project, as the values that pass between its stages.

Glossary: a *job* is what one launcher command started. A *rank* is one of its MPI processes; its *rank tree* is that
process and all its descendants, orphans included. A *wait* is what a blocked thread waits for, its *wakers* are all
threads that could end it. A *knot* is a set of blocked threads whose wakers are all in the set. A *snapshot* (or
collect) is one look at `/proc`; two of them make a *double collect*, which can carry a proof.

Everything here is frozen and knows nothing of the system: it can be written to a record and judged on another machine.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self

import msgspec
import msgspec.structs


class Verdict(StrEnum):
    """What is said of a whole job."""

    HANG = "hang"
    STALL = "stall"
    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Tier(StrEnum):
    """How well a finding is founded, strongest first."""

    PROVEN = "proven"
    LEAK = "leak"
    STALLED = "stalled"
    BLOCKED = "blocked"


class RankState(StrEnum):
    """What is said of one rank, in order of precedence."""

    PROVEN = "proven"
    LEAK = "leak"
    STALLED = "stalled"
    BLOCKED = "blocked"
    WAITING = "waiting"
    STOPPED = "stopped"
    EXITED = "exited"
    PROGRESSING = "progressing"
    UNKNOWN = "unknown"


class Launcher(StrEnum):
    """Which launcher started the ranks."""

    HYDRA = "hydra"
    OPENMPI = "openmpi"
    INTEL = "intel"
    PALS = "pals"
    SRUN = "srun"
    GNU_PARALLEL = "gnu-parallel"
    NONE = "none"


class WaitKind(StrEnum):
    """The kinds of wait whose wakers can be told."""

    FUTEX_PRIVATE = "futex-private"
    FUTEX_SHARED = "futex-shared"
    MUTEX = "mutex"
    CHILD = "child"
    PIPE_READ = "pipe-read"
    PIPE_WRITE = "pipe-write"
    FILE_LOCK = "file-lock"
    POLL = "poll"
    UNKNOWN = "unknown"
    """Never part of a knot: not all of its wakers are in sight."""
    SOCKET_READ = "socket-read"
    """Never part of a knot: only looked at as a launcher's standard input."""


class Assumption(StrEnum):
    """What a finding may rest on where looking is impossible; `explain.catalogue` has the texts."""

    A1 = "A1"
    """Processes that may not be read, older than the job and outside it, have no object of the job's own."""
    A2 = "A2"
    """A thread in which an MPI runtime waits for its network does not use the application's pipes, files and locks."""
    A3 = "A3"
    """A path and an inode number that two nodes show alike are one file, on a file system that they share."""


class Barrier(StrEnum):
    """What keeps hangprobe from reading something that is there; `explain.catalogue` says what would change that."""

    PERMISSION = "permission"
    """Another user's process, one that is not dumpable (setuid), or Yama's ptrace_scope."""
    HIDEPID = "hidepid"
    """/proc is mounted with hidepid."""
    NAMESPACE = "pid-namespace"
    """hangprobe runs in a PID namespace of its own."""
    UNSETTLED = "unsettled"
    """Processes came and went, or descriptors were on their way: another look may tell."""


class StartMethod(StrEnum):
    """How a process came to be, as seen in the live tree."""

    FORK = "fork"
    SPAWN = "spawn"
    FORKSERVER = "forkserver"
    EXEC = "exec"


class Frozen(msgspec.Struct, frozen=True, omit_defaults=False):
    """Base of all values: immutable, comparable, hashable, encodable."""

    def but(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)


class ProcessId(Frozen, frozen=True, order=True):
    """A process, and never another one that got its pid later."""

    host: str
    pid: int
    start_time: int
    """Clock ticks after boot: field 22 of `/proc/PID/stat`."""


class ThreadId(Frozen, frozen=True, order=True):
    """A thread of a process."""

    process: ProcessId
    tid: int

    @property
    def is_main(self) -> bool:
        """Whether this is the thread in which the program started."""
        return self.tid == self.process.pid


class Unreadable(Frozen, frozen=True):
    """A read that failed, kept as data: what was wanted, and why it could not be had."""

    what: str
    why: str
    barrier: Barrier | None = None
    """What it was that forbade it; None if it failed otherwise."""


class Hidden(Unreadable, frozen=True):
    """A set of holders of which some may not be seen."""

    known: tuple[int, ...] = ()
    """The processes in sight that have it."""


class Mutex(Frozen, frozen=True):
    """A pthread mutex as it stands in the memory of who waits for it (glibc `struct __pthread_mutex_s`)."""

    kind: str
    """`normal`, `recursive`, `errorcheck` or `adaptive`."""
    owner: int
    """The TID that locked it, in the numbering of its PID namespace."""


class Keeper(Frozen, frozen=True):
    """A process that has what another one waits for: a lock on a file, or the write end of a pipe."""

    process: ProcessId
    first: ProcessId | None = None
    """The process from which it has that by fork, which still runs and has given it up; None if there is no such."""
    is_certain: bool = True
    """Whether it is certain that it has it by fork; OFD locks record nobody."""


class Wait(Frozen, frozen=True):
    """What a blocked thread waits for, and every thread that could end it."""

    kind: WaitKind
    object: str
    """A lock's address in hexadecimal, the processes waited for, or the pipe, socket or file (`pipe:[7]`)."""
    wakers: frozenset[ThreadId]
    mutex: Mutex | None = None
    owner: frozenset[ThreadId] | None = None
    """Those who alone may end it if locks are released by who took them, where the lock names one; else None."""
    keepers: tuple[Keeper, ...] = ()
    """Of a lock on a file, and of a pipe that is read: who has the lock, or its write end."""
    assumes: tuple[Assumption, ...] = ()
    """What must be assumed for `wakers` to be all."""


class ThreadView(Frozen, frozen=True):
    """One thread in one collect."""

    id: ThreadId
    start_time: int | None
    state: str | None
    """The letter of `/proc` (R, S, D, T, t, Z, ...); None if unreadable."""
    call: str | None
    """The line of `/proc/PID/task/TID/syscall`: number, arguments, stack and instruction pointer."""
    run_count: int | None
    """How many times it was given a processor (`schedstat`); changes whenever it ran."""
    wait: Wait | None
    """None if its wakers cannot be told: then `live` says why."""
    live: str | None
    """Why this thread must be thought able to wake by itself; None if only its wakers can end its wait."""
    barrier: Barrier | None = None
    """What forbids to tell its wait, if that is all that is known against it; `wait` then has the wakers in sight."""
    is_timed: bool = False
    """In a wait that ends by itself after a set time."""
    is_for_child: bool = False
    """In a wait for a child."""
    is_runtime_helper: bool = False
    """One in which an MPI runtime waits for its network: in poll or epoll, and all of its stack in that library."""
    last_ran_s: float | None = None
    """When it last ran, in monotonic seconds of its node; None if not known."""
    cpu_s: float | None = None
    """Processor time that it has used since it began (`schedstat`)."""
    runnable_s: float | None = None
    """That, and the time for which it has waited for a processor."""


class ProcessView(Frozen, frozen=True):
    """One process in one collect."""

    id: ProcessId
    parent: int | None
    name: str | None
    is_forked: bool | None
    """Forked and never exec'd (PF_FORKNOEXEC, field 9 of `/proc/PID/stat`)."""
    threads: tuple[ThreadView, ...]
    signals: str | None
    """Why a signal might wake one of its threads ("catches TERM"); None if none that says anything is caught."""
    runtimes: tuple[str, ...] = ()
    """The MPI runtime libraries that it maps."""


class Snapshot(Frozen, frozen=True):
    """One collect: every process of interest on one node."""

    host: str
    began_s: float
    ended_s: float
    processes: tuple[ProcessView, ...]
    unreadable: tuple[Unreadable, ...] = ()
    clock_s: float | None = None
    """The monotonic clock of the node when the threads had been read, to compare with `ThreadView.last_ran_s`."""
    alarms: bool | None = None
    """Whether alarm(2) timers are set on the node that were not when the job began; None if that cannot be read."""
    alarms_at_s: tuple[float, ...] | None = None
    """When those go off, in monotonic seconds of the node; None if that cannot be read."""


class DoubleCollect(Frozen, frozen=True):
    """Two collects of the same processes, the first complete before the second began."""

    first: Snapshot
    second: Snapshot


class Stdin(Frozen, frozen=True):
    """A standard input that nobody ever writes to or closes."""

    object: str
    """The pipe or socket that is descriptor 0 of the rank's top process."""
    ancestors: tuple[ProcessId, ...]
    """The launcher's processes above the rank."""
    says: str
    """Why it is never fed: "Hydra feeds rank 0 only"."""
    starter: str | None = None
    """Where the command that started the rank listens (`login:45813`), or which process it is (`login#1234`): its
    command line and standard input say whether it feeds the rank. None if they have been looked at."""


class Worker(Frozen, frozen=True):
    """A place in an ensemble of tasks: there a worker, or its manager, stands for a rank."""

    index: int | None
    """Of the worker among all of the ensemble; None: this is the manager itself."""
    manager: int
    """As its launcher numbers the managers."""
    task: int | None = None
    """The task that it runs; None between tasks."""
    workload: str = ""
    began: float | None = None
    """When a manager's process was started, by the wall clock of its node; None for a worker."""


class RankView(Frozen, frozen=True):
    """Which processes make up a rank."""

    rank: int
    launcher: Launcher
    top: ProcessId
    """The process that the launcher started."""
    main: ProcessId
    """The process that stands for the rank: `top`, or the program behind its shells."""
    members: tuple[ProcessId, ...]
    """The rank tree: `top`, its descendants, and orphans that carry its rank."""
    stdin: Stdin | None = None
    """What its launcher gave it as standard input, where that is known never to end."""
    size: int | None = None
    """How many ranks its job has, as its launcher told it."""
    worker: Worker | None = None
    """Its place in an ensemble of tasks, where the job is one."""

    @property
    def given(self) -> int:
        """The number that its launcher gave to `top`."""
        return self.rank if self.worker is None else self.worker.manager
