"""A forked child inside an OpenMP runtime: told by the code that it waits in, and by nothing else."""

from __future__ import annotations

import pytest

from hangprobe.explain import rules
from hangprobe.explain.case import Case, Cause
from hangprobe.model import Mutex, StartMethod, WaitKind

from .builders import CHILD, PARENT, case, lineage, lock, on_futex, thread, tid


def explain(which: Case) -> Cause:
    return rules.explain([which])[1]


@pytest.mark.parametrize(
    ("code", "runtime"),
    [
        (("libgomp.so.1.0.0", "app"), "libgomp"),
        (("libc.so.6", "libgomp-a34b3233.so.1.0.0"), "libgomp"),
        (("libc.so.6", "libpthread.so.0", "ld-linux-x86-64.so.2", "[vdso]", "libomp.so.5"), "libomp"),
        (("libiomp5.so",), "libiomp5"),
    ],
)
def test_a_forked_child_that_waits_in_an_openmp_runtime_has_lost_its_team(code: tuple[str, ...], runtime: str) -> None:
    found = explain(case(code=code))
    assert (found.mechanism, found.likely, dict(found.detail)) == ("openmp-pool-lost", False, {"runtime": runtime})
    assert any(f"pid {CHILD} waits inside {runtime}" in line for line in found.evidence)
    assert any("PF_FORKNOEXEC" in line for line in found.evidence)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(case(code=("libc.so.6", "libpython3.11.so.1.0", "libgomp.so.1")), id="called by something else"),
        pytest.param(case(code=("libc.so.6",)), id="in the C library alone"),
        pytest.param(case(code=()), id="unknown code"),
        pytest.param(case(code=("libgomposer.so",)), id="a library of a similar name"),
        pytest.param(
            case(code=("libgomp.so.1",), forked=False, from_=lineage(method=StartMethod.EXEC)), id="not forked"
        ),
        pytest.param(case(on_futex(tid(30), kind=WaitKind.CHILD), code=("libgomp.so.1",)), id="waits for a child"),
        pytest.param(case(on_futex(tid(30), kind=WaitKind.FUTEX_SHARED), code=("libgomp.so.1",)), id="shared memory"),
    ],
)
def test_any_other_wait_is_not_for_a_team(other: Case) -> None:
    assert rules.lost_openmp_team(other) is None
    assert explain(other).mechanism != "openmp-pool-lost"


def test_a_teams_barrier_comes_before_what_its_memory_looks_like() -> None:
    assert explain(case(code=("libgomp.so.1",), facts=lock())).mechanism == "openmp-pool-lost"


def test_of_several_culprits_the_surer_rule_wins_not_the_first_thread() -> None:
    waits = case(on_futex(tid(CHILD), kind=WaitKind.CHILD), forked=False)
    orphaned = case(on_futex(mutex=Mutex("normal", PARENT)))
    team = case(code=("libgomp.so.1",))
    chosen, cause = rules.explain([waits, orphaned, team])
    assert (chosen, cause.mechanism) == (team, "openmp-pool-lost")
    chosen, cause = rules.explain([waits, orphaned])
    assert (chosen, cause.mechanism) == (orphaned, "fork-orphaned-lock")


def test_of_several_culprits_that_no_rule_knows_the_first_is_told() -> None:
    first = case(on_futex(tid(CHILD, 21)), thread(tid(CHILD, 21), on_futex()))
    second = case(on_futex(tid(30), kind=WaitKind.CHILD))
    assert rules.explain([first, second])[0] is first
