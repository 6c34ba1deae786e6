"""What is gathered about a machine: plain values, so that every check can be tried on machines that are not at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hangprobe.model import Launcher


@dataclass(frozen=True, slots=True)
class PythonFacts:
    """The Python that runs hangprobe."""

    version: tuple[int, int, int]
    implementation: str
    bits: int
    machine: str
    """The kernel's name for it."""
    has_table: bool
    """Whether hangprobe knows the system calls of this machine."""


@dataclass(frozen=True, slots=True)
class Reads:
    """What reading a process that waits in a pipe came to."""

    failed: Mapping[str, str]
    """File below `/proc/PID` -> why it could not be read, or why it says nothing."""
    wait: str = ""
    """Why the wait cannot be told from `syscall` and `wchan`; empty if it can."""


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What this user may see of processes, tried on a child and on a process that is no descendant."""

    is_root: bool
    has_ptrace_capability: bool
    """CAP_SYS_PTRACE is among the effective ones."""
    yama: int | None
    """kernel.yama.ptrace_scope; None without Yama."""
    seccomp: int
    """0: no filter, 1: strict, 2: a filter (containers)."""
    child: Reads
    stranger: Reads
    is_stranger: bool
    """Whether the second process really is no descendant: it is one if hangprobe is PID 1, or a subreaper."""
    kcmp: str
    """Empty if it works, else the kernel's name for the refusal: ENOSYS, EPERM."""
    proc_options: str
    """Of the mount of /proc: hidepid, subset."""
    sees_init: bool
    """Whether /proc/1 can be read."""
    is_initial_namespace: bool | None
    """Of PIDs; None if unknown."""
    has_timer_list: bool
    """Whether /proc/timer_list may be read."""
    counts_files_in_flight: bool
    """Whether the kernel shows descriptors that travel through unix sockets (`scm_fds`)."""


@dataclass(frozen=True, slots=True)
class StacksFacts:
    """py-spy, and what it made of a child of ours."""

    path: str | None
    version: str
    failure: str
    """Empty if it read the child's stack."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """A tiny job: what each rank says of the size of its world."""

    asked: int
    sizes: tuple[int, ...]
    """As the ranks say."""
    library: str
    """What MPI says of itself in a rank; empty if no rank said it."""
    failure: str
    """Why the job is not what was asked for; empty if it is."""


@dataclass(frozen=True, slots=True)
class MpiFacts:
    """The launcher and the library."""

    path: str | None
    launcher: Launcher
    version: str
    """As the launcher gives it; empty if it gives none."""
    failure: str
    """Why the launcher cannot be run; empty if it can."""
    mpi4py: str | None
    """Version; None if it is not installed."""
    job: JobFacts | None
    """None if none was tried."""


@dataclass(frozen=True, slots=True)
class NodesFacts:
    """What several nodes need: real ones, or those of a testbed."""

    is_root: bool
    namespaces: str
    """Empty if namespaces could be made, else the kernel's name for the refusal."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Those of `/proc/sys` that may forbid user namespaces."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """Debian's package -> `system`, `unpacked` (in the cache), or empty: neither."""
    can_unpack: bool = False
    """Whether apt-get and dpkg-deb are there, to unpack what is not installed."""
    clustershell: str | None = None
    zmq: str | None = None
    cgroup: str = ""
    """`v1`, `v2`, `hybrid`, or empty: none mounted."""
    is_delegated: bool = False
    """Whether this user may make groups below its own."""


@dataclass(frozen=True, slots=True)
class SchedulerFacts:
    """A batch system's commands, and the allocation that hangprobe runs in."""

    found: frozenset[str]
    """Names of commands on PATH."""
    environment: Mapping[str, str]
    """Those of its variables that tell of an allocation."""
    node_count: int | None
    """Distinct lines in PBS_NODEFILE; None without a readable one."""


@dataclass(frozen=True, slots=True)
class CompareFacts:
    """What comparing launchers needs."""

    parallel: str | None
    parallel_says: str
    """The first words of `parallel --version`, or why there are none."""
    parsl: str | None
    scipy: str | None
    python: tuple[int, int]
    shadow: tuple[str, str] | None = None
    """The first `parallel` on PATH and its first words, where that is another program and GNU parallel is elsewhere."""


@dataclass(frozen=True, slots=True)
class LimitsFacts:
    """What may run out."""

    open_files: tuple[int, int]
    """Soft and hard limit; -1 is none."""
    folder: str
    """Where results go unless told otherwise."""
    folder_failure: str
    """Why it cannot be written; empty if it can."""
    free_bytes: int
    shared_memory_bytes: int | None
    """Free in /dev/shm; None without one."""
