"""What in a launch context matters for which mechanism: a short table, in order, a sentence each.

A rule says what *can* happen in such a context. That it did happen is for the findings to say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hangprobe.context.values import LAUNCHING, Channel, Far, Kind, LaunchContext, Shared
from hangprobe.model import StartMethod

_ASYNC = ("MPICH_ASYNC_PROGRESS", "MPIR_CVAR_ASYNC_PROGRESS", "I_MPI_ASYNC_PROGRESS")
_OFF = {None, "", "0", "off", "no", "false", "disable"}
_MPI = {"PMI_", "PMIX_", "OMPI_", "PALS_"}


@dataclass(frozen=True, slots=True)
class Rule:
    """Something in a launch context that a mechanism needs."""

    mechanism: str
    """A slug of the catalogue."""
    attribute: str
    """A slug of `contextwords.ATTRIBUTES`."""
    holds: Callable[[LaunchContext], bool]
    says: str


def _stdin(context: LaunchContext) -> Channel | None:
    """Return what the program has: its own where a shell gave it another."""
    return context.stdin_behind or context.stdin


def _is_of_launcher(found: Channel | None) -> bool:
    is_open = found is not None and found.kind in {Kind.PIPE, Kind.SOCKET, Kind.TERMINAL} and found.far is Far.HELD
    return is_open and found is not None and any(each.role in LAUNCHING for each in found.holders)


def _never_ends(context: LaunchContext) -> bool:
    return context.stdin_never_ends is not None and _is_of_launcher(_stdin(context))


def _ends_with_launcher(context: LaunchContext) -> bool:
    return context.stdin_never_ends is None and _is_of_launcher(_stdin(context))


def _has(context: LaunchContext, is_meant: Callable[[Shared], bool]) -> bool:
    return context.descriptors is not None and any(map(is_meant, context.descriptors.kinds))


def _leads_to_launcher(found: Shared) -> bool:
    return found.kind in {Kind.PIPE, Kind.SOCKET} and any(each.role in LAUNCHING for each in found.holders)


def _is_write_end(found: Shared) -> bool:
    return found.kind is Kind.PIPE and found.access in {"write", "both"}


def _value(context: LaunchContext, name: str) -> str | None:
    return context.variables.value(name) if context.variables is not None else None


def _has_async_progress(context: LaunchContext) -> bool:
    return any((value.lower() if (value := _value(context, name)) else value) not in _OFF for name in _ASYNC)


def _forks_with_team(context: LaunchContext) -> bool:
    return StartMethod.FORK in context.start_methods and _value(context, "OMP_NUM_THREADS") != "1"


def _spawns_below_launcher(context: LaunchContext) -> bool:
    is_fresh = {StartMethod.SPAWN, StartMethod.FORKSERVER} & set(context.start_methods)
    return bool(is_fresh) and context.variables is not None and bool(_MPI & context.variables.by_origin().keys())


RULES = (
    Rule("launcher-stdin", "stdin", _never_ends, "a child that reads its standard input unasked waits for ever"),
    Rule(
        "launcher-stdin",
        "stdin",
        _ends_with_launcher,
        "a child that reads its standard input waits until the launcher closes it",
    ),
    Rule(
        "sigchld-blocked",
        "blocked",
        lambda context: "CHLD" in (context.blocked or ()),
        "SIGCHLD is blocked, and children inherit that: who waits for the signal never learns that a child has ended",
    ),
    Rule(
        "stdio-kept-open",
        "stdout",
        lambda context: _is_of_launcher(context.stdout) or _is_of_launcher(context.stderr),
        "the launcher reads the rank's output to its end: a child that outlives the rank and keeps it open makes the "
        "launcher wait",
    ),
    Rule(
        "stdio-kept-open",
        "descriptors",
        lambda context: _has(context, _leads_to_launcher),
        "descriptors above 2 lead to the launcher as well: a daemon that closes 0 to 2 still keeps them",
    ),
    Rule(
        "inherited-pipe-end",
        "descriptors",
        lambda context: _has(context, _is_write_end),
        "the rank inherited write ends of pipes: who reads them sees no end before all its children have closed them",
    ),
    Rule(
        "leaked-file-lock",
        "descriptors",
        lambda context: _has(context, lambda found: found.kind is Kind.FILE and found.path.startswith("/")),
        "the rank inherited an open file: a flock(2) lock on it lasts until every child has closed it",
    ),
    Rule(
        "fork-orphaned-lock",
        "start-methods",
        lambda context: StartMethod.FORK in context.start_methods,
        "children are forked without exec: they get every lock as it stood, and no thread but one",
    ),
    Rule(
        "fork-orphaned-lock",
        "fork",
        _has_async_progress,
        "MPI has a progress thread of its own, which may hold MPI's lock at any fork",
    ),
    Rule(
        "openmp-pool-lost",
        "threads",
        _forks_with_team,
        "children are forked and OMP_NUM_THREADS is not 1: a parallel region before the fork leaves a team behind",
    ),
    Rule(
        "spawn-runs-mpi-init",
        "launcher-variables",
        _spawns_below_launcher,
        "spawned children inherit the launcher's variables: one that imports mpi4py runs MPI_Init again",
    ),
    Rule(
        "stdio-kept-open",
        "ignored",
        lambda context: context.is_python is False and "PIPE" in (context.ignored or ()),
        "SIGPIPE is ignored: a child whose reader has gone is not ended by writing",
    ),
)
