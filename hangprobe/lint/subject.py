"""What a subject environment says of itself: the names and signatures of its Parsl, its Python's built-in names.

Values only. `ensemble/signatures.py` writes them as JSON in the subject, `lint.asking` fetches them; rules read them.
Versions of Parsl differ, and only the installed one knows what it takes.
"""

from __future__ import annotations

from hangprobe.model import Frozen


class Described(Frozen, frozen=True):
    """A name that a configuration uses, as the subject's Parsl has it."""

    name: str
    """Dotted: `parsl.executors.HighThroughputExecutor`."""
    kind: str
    """`class`, `function`, `module`, `value`; `missing`: there is none; `broken`: importing it fails."""
    keywords: tuple[str, ...] | None = None
    """What a call may name; None if it takes any, or cannot be told."""
    why: str = ""
    """Python's words, for one that is missing or broken."""
    beside: tuple[str, ...] = ()
    """The public names beside a missing one."""


class SubjectFacts(Frozen, frozen=True, kw_only=True):
    """What was asked of a subject environment. Facts that could not be told are None, and no rule rests on them."""

    python: str
    parsl: str
    parsl_file: str = ""
    """Where its `parsl/__init__.py` is."""
    compiles: bool | None = None
    """Whether the subject's own Python takes the file's syntax; None if it was not asked."""
    syntax_words: str = ""
    """What it says against it."""
    syntax_line: int = 1
    builtins: tuple[str, ...] = ()
    names: tuple[Described, ...] = ()
    strategies: tuple[str | None, ...] | None = None
    """What `Config(strategy=...)` may be."""
    affinities: tuple[str, ...] | None = None
    """What the manager's `--cpu-affinity` may be."""
    is_affinity_list_taken: bool = False
    """Whether that may also be `list:...`."""
    is_affinity_case_ignored: bool = False
    address_use: str | None = None
    """What the interchange does with `address`: `none` (it listens on all), `bound` (it listens there; since 2023),
    `parsed` (it reads it as an IP address first, and ends if it is none)."""
    is_hostname_resolved: bool | None = None
    """Whether `address_by_hostname()` returns an IP address; it returned a host name until 2023."""
    mpi: str | None = None
    """Whose mpiexec the launcher will find: `mpich`, `openmpi`, `impi`, `pals`; None if not known."""

    def named(self, dotted: str) -> Described | None:
        """Return what is known of a name; None if it was not asked for."""
        return next((one for one in self.names if one.name == dotted), None)

    @property
    def version(self) -> str:
        """The Parsl that was asked, in words."""
        return f"Parsl {self.parsl}"
