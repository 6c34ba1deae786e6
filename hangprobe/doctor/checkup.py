"""The document that `doctor` writes (`hangprobe.doctor/1`).

A published format: fields are added, never renamed. See docs/doctor.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from hangprobe.model import Frozen

SCHEMA = "hangprobe.doctor/1"

NEEDED = frozenset({"python", "machine", "child-files", "kcmp"})
"""Checks without which nothing can be proven."""


class State(StrEnum):
    """What a check came to."""

    OK = "ok"
    LIMITED = "limited"
    """It works, but not for everything."""
    MISSING = "missing"
    UNKNOWN = "unknown"
    """The check itself failed, or got no answer in time."""


class Subject(StrEnum):
    """What the checks are grouped by."""

    PYTHON = "python"
    PROOF = "proof"
    MPI = "mpi"
    NODES = "nodes"
    COMPARE = "compare"
    LIMITS = "limits"
    SELF_TEST = "self-test"


class Said(Frozen, frozen=True):
    """What a check says, before it is known which check it was."""

    state: State
    says: str
    """What there is, in a few words."""
    enables: str = ""
    """What would be possible without the lack; empty if all is well."""
    remedy: str = ""
    """The command that brings it, or what else to do; empty if all is well or nothing helps."""


class Check(Frozen, frozen=True):
    """One line of the document."""

    slug: str
    subject: Subject
    state: State
    says: str
    enables: str
    remedy: str


class Checkup(Frozen, frozen=True, kw_only=True):
    """The whole document."""

    schema: str = SCHEMA
    hangprobe: str
    is_fit: bool
    """Whether the main job works: by the self-test, or without one by nothing that a proof needs being missing."""
    duration_s: float
    checks: tuple[Check, ...]


def ok(says: str) -> Said:
    """Return that all is well."""
    return Said(State.OK, says)


def limited(says: str, enables: str, remedy: str) -> Said:
    """Return that it works, but not for everything."""
    return Said(State.LIMITED, says, enables, remedy)


def missing(says: str, enables: str, remedy: str) -> Said:
    """Return that it is not there."""
    return Said(State.MISSING, says, enables, remedy)


def unknown(says: str, enables: str = "", remedy: str = "") -> Said:
    """Return that it could not be told."""
    return Said(State.UNKNOWN, says, enables, remedy)


def is_fit(checks: Sequence[Check]) -> bool:
    """Tell whether the main job works."""
    tried = [check for check in checks if check.subject is Subject.SELF_TEST]
    if tried:
        return all(check.state is State.OK for check in tried)
    return all(check.state in {State.OK, State.LIMITED} for check in checks if check.slug in NEEDED)


def encode(checkup: Checkup) -> bytes:
    """Return the document as one line of JSON."""
    return msgspec.json.encode(checkup) + b"\n"
