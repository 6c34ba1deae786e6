"""What a launcher gave a rank to start with, as values: descriptors, signals, session, limits, environment.

Two ranks that were started alike have equal contexts: no pid, no inode, no host and no number of a terminal is in it.
So contexts can be grouped, and those of a million ranks are a handful. What could not be read is None, with its reason
in `unreadable`. Secrets are never in it: of the environment there are all names, and the values of a short list.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from hangprobe.model import Frozen, Launcher, StartMethod, Unreadable


class Role(StrEnum):
    """What a process is to the rank that it shares an object with."""

    PROXY = "proxy"
    """The launcher's daemon on the node: hydra_pmi_proxy, prted, slurmstepd."""
    LAUNCHER = "launcher"
    """The launcher's own command: mpiexec, prterun, srun."""
    PARALLEL = "gnu-parallel"
    SSHD = "sshd"
    SHELL = "shell"
    RANK = "rank"
    """The rank itself, or a descendant of it."""
    OTHER_RANK = "other-rank"
    HANGPROBE = "hangprobe"
    OTHER = "other"


LAUNCHING = frozenset({Role.PROXY, Role.LAUNCHER, Role.PARALLEL})
"""Who starts ranks."""


class Kind(StrEnum):
    """What a descriptor leads to."""

    PIPE = "pipe"
    SOCKET = "socket"
    FILE = "file"
    NULL = "/dev/null"
    TERMINAL = "terminal"
    CLOSED = "closed"
    """There is no such descriptor."""
    OTHER = "other"


class Far(StrEnum):
    """The other end of a pipe, a socket or a terminal: the write end of what is read, the read end of what is not."""

    HELD = "held"
    """By somebody outside the rank."""
    OWN = "own"
    """By the rank itself and by nobody else in sight."""
    CLOSED = "closed"
    """By nobody."""
    UNSEEN = "unseen"
    """By nobody in sight, and not everybody can be seen."""
    UNKNOWN = "unknown"
    """It is not on this node, or cannot be told."""


class Holder(Frozen, frozen=True, order=True):
    """Somebody who holds an end."""

    role: Role
    name: str = ""
    """As `/proc/PID/comm` shows it; empty for ranks, whose names say nothing."""


class Channel(Frozen, frozen=True):
    """A standard descriptor."""

    kind: Kind
    path: str | None = None
    """Of a file or a device; `%r` stands for the rank's number where contexts were compared."""
    access: str | None = None
    """`read`, `write`, `both`; None if that is not known."""
    is_nonblocking: bool | None = None
    far: Far | None = None
    """None for what has no other end."""
    holders: tuple[Holder, ...] = ()
    """Who has the other end (of a deleted file: the file), beside the rank itself, in order of role.

    Other ranks are named only where nobody else has it: which copies they inherit depends on the order of their start.
    """
    was_replaced: bool | None = None
    """Whether the rank has put something else in its place since it began; None if that cannot be told."""


class Shared(Frozen, frozen=True, order=True):
    """Descriptors above 2 that lead out of the rank: somebody outside has the same object, or its other end."""

    kind: Kind
    access: str
    """`read`, `write`, `both` or `?`."""
    holders: tuple[Holder, ...]
    """Who has the object or its other end, beside the rank itself; other ranks only if nobody else."""
    path: str = ""
    """Of a file."""


class Descriptors(Frozen, frozen=True):
    """The descriptors above 2 that lead out of the rank: inherited, or connected to the launcher since."""

    kinds: tuple[Shared, ...]
    """Each kind once, sorted."""
    least: tuple[int, ...]
    """How many of each kind. A rank inherits copies from those started before it, so numbers are not compared."""
    most: tuple[int, ...]
    """The same as `least` for one rank; of folded contexts the greatest number."""


class Session(Frozen, frozen=True):
    """Which session and process group a rank is in."""

    leads_session: bool
    leads_group: bool
    has_terminal: bool
    """A controlling terminal, whose Ctrl-C reaches it."""


class Limit(Frozen, frozen=True):
    """One resource limit, as `/proc/PID/limits` shows it."""

    name: str
    """"open files"."""
    soft: str
    hard: str


class Limits(Frozen, frozen=True):
    """All resource limits."""

    all: tuple[Limit, ...]
    changed: tuple[str, ...] | None
    """The names of those that the launcher on this node has otherwise; None if that is not known."""


class Processors(Frozen, frozen=True):
    """On which processors a rank may run."""

    count: int
    list: str
    """As the kernel folds it: "0-3,8"."""


class Variables(Frozen, frozen=True):
    """An environment at exec: all names, and the values of a short list (`context.variables`)."""

    names: tuple[str, ...]
    """Sorted; those that are no proper names are only counted."""
    values: tuple[tuple[str, str], ...]
    """Sorted by name; what looks like a credential is masked."""
    odd: int = 0
    """Entries that are no assignments to a proper name."""

    def value(self, name: str) -> str | None:
        """Return the value of a listed variable; None if it is not set."""
        return dict(self.values).get(name)

    def by_origin(self) -> dict[str, tuple[str, ...]]:
        """Return the names by who sets such names: a prefix ("PMI_"), or "" for the user's and the system's own."""
        found: dict[str, list[str]] = {}
        for name in self.names:
            found.setdefault(origin(name), []).append(name)
        return {prefix: tuple(names) for prefix, names in sorted(found.items())}


class LaunchContext(Frozen, frozen=True, kw_only=True):
    """What one rank was started with."""

    launcher: Launcher
    stdin: Channel | None = None
    stdin_behind: Channel | None = None
    """Standard input of the program behind the rank's shells, where it is another."""
    stdin_never_ends: str | None = None
    """Why the launcher is known never to feed or close it, in words; None if nothing of the kind is known."""
    stdout: Channel | None = None
    stderr: Channel | None = None
    descriptors: Descriptors | None = None
    blocked: tuple[str, ...] | None = None
    """Signals, without SIG."""
    ignored: tuple[str, ...] | None = None
    is_python: bool | None = None
    """Whether the program is Python, which ignores PIPE and XFSZ by itself."""
    session: Session | None = None
    limits: Limits | None = None
    processors: Processors | None = None
    folder: str | None = None
    """Working directory; `%r` as in a channel's path."""
    umask: str | None = None
    nice: int | None = None
    oom: int | None = None
    """`oom_score_adj`: who is killed first when memory runs out."""
    variables: Variables | None = None
    start_methods: tuple[StartMethod, ...] = ()
    """How children were started, as seen so far; none seen is no proof that there were none."""
    unreadable: tuple[Unreadable, ...] = ()
    """What could not be read and why, without the pid."""


PREFIXES = (
    ("PMI_", "PMI_"),
    ("PMIX_", "PMIX_"),
    ("HYDRA_", "HYDRA_"),
    ("HYDI_", "HYDRA_"),
    ("HYD_", "HYDRA_"),
    ("MPIR_CVAR_", "MPIR_CVAR_"),
    ("MPI_LOCAL", "HYDRA_"),
    ("OMPI_", "OMPI_"),
    ("PRTE_", "PRTE_"),
    ("I_MPI_", "I_MPI_"),
    ("SLURM_", "SLURM_"),
    ("PALS_", "PALS_"),
    ("PBS_", "PBS_"),
    ("PARALLEL_", "PARALLEL_"),
    ("SSH_", "SSH_"),
)
"""Who sets a variable, by the beginning of its name; Hydra sets HYDI_ and MPI_LOCAL(NRANKS, RANKID) too."""


def origin(name: str) -> str:
    """Return the prefix that tells who sets a variable; "" for the user's and the system's own."""
    if name == "PARALLEL":
        return "PARALLEL_"
    return next((shown for prefix, shown in PREFIXES if name.startswith(prefix)), "")


def in_order(holders: Iterable[Holder]) -> tuple[Holder, ...]:
    """Return each holder once, in order of role."""
    order = list(Role)
    return tuple(sorted(set(holders), key=lambda each: (order.index(each.role), each.name)))
