"""Each rule holds where the mechanism is possible, and nowhere else."""

from __future__ import annotations

import pytest

from hangprobe.context.values import Channel, Far, Holder, Kind, LaunchContext, Role, Shared
from hangprobe.explain.catalogue import MECHANISMS
from hangprobe.explain.contextrules import RULES
from hangprobe.explain.contextwords import ATTRIBUTES
from hangprobe.model import Launcher, StartMethod

from .contexts import PLAIN, PROXY, PRTERUN, descriptors, hydra, piped, variables

FORK, SPAWN, FORKSERVER = StartMethod.FORK, StartMethod.SPAWN, StartMethod.FORKSERVER
WITHOUT_A_TEXT = {"stdio-kept-open", "sigchld-blocked", "spawn-runs-mpi-init"}
"""Mechanisms that have no entry in the catalogue yet."""


def holding(context: LaunchContext) -> set[tuple[str, str]]:
    return {(rule.mechanism, rule.attribute) for rule in RULES if rule.holds(context)}


def test_every_rule_names_a_mechanism_and_an_attribute() -> None:
    assert {rule.mechanism for rule in RULES} <= MECHANISMS.keys() | WITHOUT_A_TEXT
    assert {rule.attribute for rule in RULES} <= {attribute.slug for attribute in ATTRIBUTES}


def test_harmless_context_explains_nothing() -> None:
    assert holding(PLAIN) == set()


def test_context_of_which_nothing_is_known_explains_nothing() -> None:
    assert holding(LaunchContext(launcher=Launcher.HYDRA)) == set()


@pytest.mark.parametrize("holder", [PROXY, PRTERUN, Holder(Role.PARALLEL, "parallel")])
@pytest.mark.parametrize("kind", [Kind.PIPE, Kind.SOCKET])
def test_standard_input_that_a_launcher_keeps_open(holder: Holder, kind: Kind) -> None:
    context = PLAIN.but(stdin=piped(holder).but(kind=kind))
    assert holding(context) == {("launcher-stdin", "stdin")}


@pytest.mark.parametrize(
    "stdin",
    [
        piped(Holder(Role.SHELL, "bash")),
        piped(PROXY).but(far=Far.CLOSED, holders=()),
        piped(PROXY).but(far=Far.UNSEEN, holders=()),
        Channel(Kind.CLOSED),
    ],
)
def test_standard_input_that_no_launcher_keeps_open(stdin: Channel) -> None:
    assert holding(PLAIN.but(stdin=stdin)) == set()


def test_program_behind_a_shell_reads_its_own_standard_input() -> None:
    assert holding(PLAIN.but(stdin=piped(PROXY), stdin_behind=PLAIN.stdin)) == set()
    assert holding(PLAIN.but(stdin_behind=piped(PROXY))) == {("launcher-stdin", "stdin")}


def test_one_sentence_is_said_of_standard_input() -> None:
    for never_ends in (None, "kept open"):
        context = PLAIN.but(stdin=piped(PROXY), stdin_never_ends=never_ends)
        said = [rule.says for rule in RULES if rule.holds(context)]
        assert len(said) == 1
        assert ("for ever" in said[0]) is (never_ends is not None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"blocked": ("CHLD",)}, ("sigchld-blocked", "blocked")),
        ({"stdout": piped(PROXY, "write")}, ("stdio-kept-open", "stdout")),
        ({"stderr": piped(PROXY, "write")}, ("stdio-kept-open", "stdout")),
        ({"descriptors": descriptors(Shared(Kind.SOCKET, "both", (PROXY,)))}, ("stdio-kept-open", "descriptors")),
        (
            {"descriptors": descriptors(Shared(Kind.PIPE, "write", (Holder(Role.OTHER_RANK),)))},
            ("inherited-pipe-end", "descriptors"),
        ),
        (
            {"descriptors": descriptors(Shared(Kind.FILE, "both", (Holder(Role.SHELL, "sh"),), "/x/lock"))},
            ("leaked-file-lock", "descriptors"),
        ),
        ({"variables": variables(MPICH_ASYNC_PROGRESS="1")}, ("fork-orphaned-lock", "fork")),
        (
            {"start_methods": (FORK,), "variables": variables(OMP_NUM_THREADS="1")},
            ("fork-orphaned-lock", "start-methods"),
        ),
        (
            {"start_methods": (SPAWN,), "variables": variables("PMI_RANK")},
            ("spawn-runs-mpi-init", "launcher-variables"),
        ),
        (
            {"start_methods": (FORKSERVER,), "variables": variables("PMIX_RANK")},
            ("spawn-runs-mpi-init", "launcher-variables"),
        ),
        ({"ignored": ("PIPE",), "is_python": False}, ("stdio-kept-open", "ignored")),
    ],
)
def test_one_change_makes_one_mechanism_possible(change: dict[str, object], expected: tuple[str, str]) -> None:
    assert holding(PLAIN.but(**change)) == {expected}


@pytest.mark.parametrize(
    "change",
    [
        {"blocked": ("INT", "USR1")},
        {"descriptors": descriptors(Shared(Kind.PIPE, "read", (Holder(Role.OTHER_RANK),)))},
        {"descriptors": descriptors(Shared(Kind.FILE, "both", (Holder(Role.PARALLEL, "parallel"),), "(deleted)"))},
        {"variables": variables(MPICH_ASYNC_PROGRESS="0", I_MPI_ASYNC_PROGRESS="off", MPIR_CVAR_ASYNC_PROGRESS="No")},
        {"start_methods": (SPAWN,), "variables": variables("HOME")},
        {"start_methods": (StartMethod.EXEC,), "variables": variables("PMI_RANK")},
        {"ignored": ("PIPE", "XFSZ"), "is_python": True},
        {"ignored": ("PIPE", "XFSZ"), "is_python": None},
    ],
)
def test_changes_that_make_nothing_possible(change: dict[str, object]) -> None:
    assert holding(PLAIN.but(**change)) == set()


def test_fork_without_one_openmp_thread() -> None:
    assert holding(PLAIN.but(start_methods=(FORK,))) == {
        ("fork-orphaned-lock", "start-methods"),
        ("openmp-pool-lost", "threads"),
    }


def test_hydra_as_a_whole() -> None:
    assert ("launcher-stdin", "stdin") in holding(hydra(1))
    assert ("launcher-stdin", "stdin") not in holding(hydra(0))
