"""Whole double collects with pipes, locks on files and runtimes' helpers: what is found, and on what it rests."""

from __future__ import annotations

from hangprobe.evidence import Code, Suspects
from hangprobe.explain.catalogue import ASSUMPTIONS, MECHANISMS, MITIGATIONS
from hangprobe.explain.findings import find
from hangprobe.judge.verdict import judge
from hangprobe.judgement import Judgement
from hangprobe.model import Assumption, Tier, Wait, WaitKind
from hangprobe.result import Finding

from ..judge.builders import (
    CHILD,
    EPOLL_HELPER,
    MAIN,
    WINDOW_S,
    aged,
    but,
    child_wait,
    executor,
    process,
    quiet,
    rank,
    stuck_child,
    thread,
    tid,
    twice,
    waiting_main,
    working,
)
from ..judge.shared import FIRST, KEEPER, endless, kept_by, lock_wait, parked, two_ranks
from .builders import lineage, lock

A1, A2 = Assumption.A1, Assumption.A2


def found(*processes: object, suspects: Suspects | None = None, quiet_s: float = 0.0, **more: object) -> list[Finding]:
    """Return what is found about rank 1, which all `processes` make up."""
    double = aged(twice(*processes), quiet_s)  # type: ignore[arg-type]
    ranks = [rank(*(view.id.pid for view in double.second.processes)).but(**more)]
    by_pid = {view.id.pid: quiet_s for view in double.second.processes}
    judgement = judge(double, ranks, quiet(quiet_s, by_pid), WINDOW_S)
    return list(find(judgement, double, ranks, suspects or Suspects()))


def pipe(*wakers: object, kind: WaitKind = WaitKind.PIPE_READ, assumes: tuple[Assumption, ...] = ()) -> Wait:
    return Wait(kind, "pipe:[7]", frozenset(wakers), assumes=assumes)  # type: ignore[arg-type]


# Assumptions.


def test_a_finding_says_every_assumption_in_words() -> None:
    child = process(thread(tid(CHILD), pipe(EPOLL_HELPER.id, assumes=(A1,))), parent=MAIN)
    (finding,) = found(waiting_main(EPOLL_HELPER), child)
    assert finding.tier is Tier.PROVEN
    assert finding.assumptions == (ASSUMPTIONS[A1], ASSUMPTIONS[A2])


def test_a_finding_that_needed_none_says_none() -> None:
    assert [finding.assumptions for finding in found(waiting_main(EPOLL_HELPER), stuck_child())] == [()]


def test_ranks_that_are_alike_share_their_assumptions() -> None:
    double = twice(waiting_main(), stuck_child(), process(thread(tid(30), pipe())), process(thread(tid(50), pipe())))
    ranks = [but(rank(30, main=30), rank=3), but(rank(50, main=50), rank=5)]
    judgement = judge(double, ranks, {}, WINDOW_S)
    three, five = judgement.ranks
    assumed = Judgement(
        judgement.at_s, judgement.proven, judgement.blocked, (three.but(assumes=(A2,)), five.but(assumes=(A1,)))
    )
    finding = find(assumed, double, ranks, Suspects())[0]
    assert (finding.ranks, finding.assumptions) == ("3,5", (ASSUMPTIONS[A1], ASSUMPTIONS[A2]))


def test_every_assumption_has_words_that_begin_with_its_name() -> None:
    assert ASSUMPTIONS.keys() == set(Assumption)
    assert all(text.startswith(f"{name.value}: ") for name, text in ASSUMPTIONS.items())


def test_every_mitigation_that_a_mechanism_names_is_in_the_catalogue() -> None:
    assert {slug for mechanism in MECHANISMS.values() for slug in mechanism.mitigations} <= MITIGATIONS.keys()


def test_a_dead_helper_says_its_assumptions_too() -> None:
    helper = process(thread(tid(CHILD), pipe(assumes=(A1,))), parent=MAIN)
    (finding,) = found(working(MAIN), helper)
    assert finding.mechanism == "dead-helper"
    assert finding.assumptions == (ASSUMPTIONS[A1],)


# Leaks.


def leak(wait: Wait | None = None) -> list[Finding]:
    """Return what is found where rank 1 waits for what a parked helper of rank 0 keeps."""
    waits = process(thread(tid(MAIN), wait or lock_wait()))
    judgement = two_ranks(waits, parked())
    zero = but(rank(FIRST, KEEPER, main=FIRST), rank=0)
    return list(find(judgement, twice(working(FIRST), waits, parked()), [zero, rank(MAIN)], Suspects()))


def test_a_leak_is_told_as_one_and_never_claims_a_proof() -> None:
    finding = leak()[0]
    assert (finding.mechanism, finding.tier, finding.ranks) == ("leaked-file-lock", Tier.LEAK, "1")
    assert finding.says.endswith("; it waits as long as that is kept")
    assert "can never wake" not in finding.says


def test_the_keeper_in_a_knot_beside_its_working_rank_is_a_dead_helper_of_its_own() -> None:
    assert [(finding.mechanism, finding.ranks) for finding in leak()] == [
        ("leaked-file-lock", "1"),
        ("dead-helper", "0"),
    ]


def test_an_inherited_pipe_end_is_told_as_a_leak_where_its_keeper_works_elsewhere() -> None:
    assert leak(lock_wait(kind=WaitKind.PIPE_READ))[0].mechanism == "inherited-pipe-end"


def test_a_read_of_the_launchers_stdin_is_found_with_the_ranks_own_input() -> None:
    proxy = kept_by(5, first=None)
    reader = process(thread(tid(CHILD), Wait(WaitKind.PIPE_READ, "pipe:[9]", frozenset({tid(5)}), keepers=proxy)))
    (finding,) = found(waiting_main(), reader, quiet_s=WINDOW_S, stdin=endless("pipe:[9]"))
    assert (finding.mechanism, finding.tier, finding.likely) == ("launcher-stdin", Tier.LEAK, False)
    assert finding.mitigations == ("stdin-devnull",)
    assert finding.waits[0].object == "pipe:[9]"


# Code that threads wait in.


def test_the_code_that_a_thread_waits_in_is_looked_up_by_the_thread() -> None:
    team = Suspects(code=(Code(tid(MAIN), ("libc.so.6",)), Code(tid(CHILD), ("libgomp.so.1",))))
    (finding,) = found(waiting_main(), stuck_child(), suspects=team)
    assert (finding.mechanism, finding.detail) == ("openmp-pool-lost", {"runtime": "libgomp"})


# The second clause: the finding is a proof though its rank is stalled.


def test_the_finding_of_the_second_clause_is_proven() -> None:
    (finding,) = found(executor(EPOLL_HELPER), stuck_child(), quiet_s=WINDOW_S)
    assert (finding.tier, finding.mechanism) == (Tier.PROVEN, "fork-orphaned-lock")


# The cause is told, not what merely follows from it.


def orphaned() -> Suspects:
    """Return what is read of a child on a Python lock that is older than its fork."""
    return Suspects((lock(pid=CHILD),), lineage=(lineage(CHILD, MAIN),))


def test_a_parent_that_reads_the_answer_of_a_child_on_an_orphaned_lock_waits_for_the_lock() -> None:
    # r, w = Pipe(duplex=False); child = Process(...); child.start(); w.close(); r.recv()
    (keeper,) = kept_by(CHILD, first=MAIN)
    reads = Wait(WaitKind.PIPE_READ, "pipe:[7]", frozenset({tid(CHILD)}), keepers=(keeper,))
    main = process(thread(tid(MAIN), reads))
    assert [each.mechanism for each in found(main, stuck_child(), suspects=orphaned())] == ["fork-orphaned-lock"]


def test_a_worker_that_waits_for_a_sibling_on_an_orphaned_lock_waits_for_no_killed_one() -> None:
    # an idle pool worker wants the queue's lock, which its sibling holds in a task that waits for the orphaned lock
    idle = process(thread(tid(21), Wait(WaitKind.FUTEX_SHARED, "sem", frozenset({tid(CHILD)}))), parent=MAIN)
    main = process(thread(tid(MAIN), child_wait(tid(CHILD), tid(21))))
    assert [each.mechanism for each in found(main, stuck_child(), idle, suspects=orphaned())] == ["fork-orphaned-lock"]


def test_a_shared_lock_that_nobody_can_give_back_is_told_where_nothing_else_explains_it() -> None:
    child = process(thread(tid(CHILD), Wait(WaitKind.FUTEX_SHARED, "sem", frozenset())), parent=MAIN)
    (finding,) = found(waiting_main(), child)
    assert (finding.mechanism, finding.likely, finding.tier) == ("lock-holder-killed", True, Tier.PROVEN)
