"""Findings: ranks that are held by the same cause, told in one sentence."""

from __future__ import annotations

import pytest

from hangprobe.evidence import Lineage, LockFacts, MemoryOwner, Suspects
from hangprobe.explain.findings import find
from hangprobe.explain.sentence import PIDS_SHOWN
from hangprobe.judge.verdict import judge
from hangprobe.judgement import Judgement
from hangprobe.model import DoubleCollect, ProcessView, RankView, Snapshot, Tier
from hangprobe.result import Finding

from ..judge.builders import but
from .builders import (
    HOST,
    HUNG_RANKS,
    hung_double,
    lineage,
    lineages,
    lock,
    locks,
    on_futex,
    process_id,
    stack,
    thread,
    tid,
)

WINDOW_S = 60.0
SUSPECTS = Suspects(locks(), (), lineages())


def judged(double: DoubleCollect, ranks: tuple[RankView, ...] = HUNG_RANKS) -> Judgement:
    return judge(double, ranks, {}, WINDOW_S)


def found(
    double: DoubleCollect | None = None, suspects: Suspects = SUSPECTS, ranks: tuple[RankView, ...] = HUNG_RANKS
) -> tuple[Finding, ...]:
    seen = double or hung_double()
    return find(judged(seen, ranks), seen, ranks, suspects)


def test_ranks_with_the_same_cause_are_one_finding() -> None:
    (finding,) = found()
    assert (finding.mechanism, finding.tier, finding.likely, finding.ranks) == (
        "fork-orphaned-lock",
        Tier.PROVEN,
        True,
        "1-2",
    )
    assert [process.pid for process in finding.processes] == [101, 201]
    assert [(wait.pid, wait.tid, wait.kind, wait.object, wait.wakers) for wait in finding.waits] == [
        (101, 101, "futex-private", "0x5000", ()),
        (201, 201, "futex-private", "0x5000", ()),
    ]
    assert finding.detail == {"lock": "python-lock"}


def test_it_is_told_in_one_sentence_that_claims_no_more_than_the_proof() -> None:
    (finding,) = found()
    assert finding.says.startswith(
        "ranks 1-2: the child that each forked without exec (pids 101, 201) waits for a Python lock"
    )
    assert finding.says.endswith("can never wake unless it, or a process it waits for, is signalled or killed")
    assert "the other rank is alike" in finding.evidence


def test_ranks_with_different_causes_are_different_findings() -> None:
    one, two = locks()
    findings = found(suspects=Suspects((one, but(two, owner=MemoryOwner.RLOCK)), (), lineages()))
    assert sorted((each.detail["lock"], each.ranks) for each in findings) == [("python-lock", "1"), ("rlock", "2")]


def test_one_rank_is_told_in_the_singular() -> None:
    (finding,) = found(ranks=HUNG_RANKS[:1])
    assert finding.says.startswith("rank 1: the child that it forked without exec (pid 101)")


def test_a_process_that_was_execd_is_no_child_of_a_fork() -> None:
    double = hung_double()
    processes = tuple(but(process, is_forked=False) for process in double.second.processes)
    execd = DoubleCollect(double.first, but(double.second, processes=processes))
    (finding,) = found(execd, Suspects())
    assert finding.says.startswith("ranks 1-2: each of pids 101, 201 waits")


def test_what_signals_may_end_is_found_as_blocked_and_says_why() -> None:
    (finding,) = found(hung_double(signals="catches TERM"))
    assert finding.tier is Tier.BLOCKED
    assert "never wake" not in finding.says
    assert "not proven: pid 101 catches TERM" in finding.evidence


def test_stacks_are_the_first_evidence() -> None:
    at = stack(("acquire", "queue.py"), ("work", "app.py"), pid=101)
    (finding,) = found(suspects=Suspects(locks(), (at,), lineages()))
    assert finding.evidence[0] == "rank 1, pid 101 is at acquire (queue.py:7) < work (app.py:7) [py-spy]"


@pytest.mark.parametrize(
    ("owner", "left_out"),
    [(MemoryOwner.UNKNOWN, {"reinit-lock"}), (MemoryOwner.BUFFERED_IO, {"reinit-lock", "acquire-before-fork"})],
)
def test_only_what_can_be_done_about_a_lock_is_advised(owner: MemoryOwner, left_out: set[str]) -> None:
    (plain,) = found()
    (finding,) = found(suspects=Suspects(locks(owner), (), lineages()))
    assert set(plain.mitigations) - set(finding.mitigations) == left_out


def test_the_strongest_finding_comes_first_and_then_the_one_that_holds_most() -> None:
    double = hung_double()
    processes = [but(p, signals="catches TERM") if p.id.pid == 101 else p for p in double.second.processes]
    mixed = DoubleCollect(double.first, but(double.second, processes=tuple(processes)))
    assert [(each.tier, each.ranks) for each in found(mixed)] == [(Tier.PROVEN, "2"), (Tier.BLOCKED, "1")]


def test_many_processes_are_named_by_the_first_few() -> None:
    ranks, processes, facts, origins = [], [], [], []
    for number in range(PIDS_SHOWN + 2):
        main = process_id(500 + number)
        ranks.append(but(HUNG_RANKS[0], rank=number, top=main, main=main, members=(main,)))
        processes.append(ProcessView(main, 1, "python", True, (thread(tid(main.pid), on_futex()),), None))
        facts.append(lock(pid=main.pid))
        origins.append(lineage(main.pid))
    double = _twice(processes)
    (finding,) = found(double, Suspects(tuple(facts), (), tuple(origins)), tuple(ranks))
    assert (finding.ranks, len(finding.processes)) == ("0-5", 6)
    assert "(pids 500, 501, 502, 503, ...)" in finding.says
    assert "the other 5 ranks are alike" in finding.evidence


def test_a_dead_process_beside_a_working_main_thread_is_a_dead_helper() -> None:
    rank = HUNG_RANKS[0]
    main, helper = rank.members
    busy = but(thread(tid(main.pid), None), state="R")
    double = _twice(
        [
            ProcessView(main, 1, "python", False, (busy,), None),
            ProcessView(helper, main.pid, "python", True, (thread(tid(helper.pid), on_futex()),), None),
        ]
    )
    (finding,) = found(double, Suspects(), (rank,))
    assert (finding.mechanism, finding.tier, finding.ranks) == ("dead-helper", Tier.BLOCKED, "1")
    assert [process.pid for process in finding.processes] == [101]
    assert "the rank works on" in finding.says


def test_what_holds_its_rank_is_no_dead_helper() -> None:
    assert [each.mechanism for each in found()] == ["fork-orphaned-lock"]


def test_a_dead_process_of_no_rank_is_not_reported() -> None:
    stranger = ProcessView(process_id(77), 1, "python", True, (thread(tid(77), on_futex()),), None)
    assert found(_twice([stranger]), Suspects(), ()) == ()


def test_where_nothing_is_held_there_is_nothing_to_find() -> None:
    busy = ProcessView(HUNG_RANKS[0].main, 1, "python", False, (but(thread(tid(100), None), state="R"),), None)
    assert found(_twice([busy]), Suspects(), HUNG_RANKS[:1]) == ()


def test_what_is_not_known_of_a_suspect_is_left_out() -> None:
    (finding,) = found(suspects=Suspects())
    assert finding.detail == {"lock": "unknown"}
    assert isinstance(lineages()[0], Lineage)
    assert isinstance(locks()[0], LockFacts)


def _twice(processes: list[ProcessView]) -> DoubleCollect:
    first = Snapshot(HOST, 1.0, 2.0, tuple(processes), clock_s=103.0)
    return DoubleCollect(first, but(first, began_s=3.0, ended_s=4.0))
