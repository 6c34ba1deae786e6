"""The head asks who has the files for which ranks wait, before it tells a stall, and now and then while they wait."""

from __future__ import annotations

from pathlib import Path

from hangprobe.agent.link.messages import FindHolders
from hangprobe.model import RankState, Verdict

from .digests import node
from .jobs import confirming, head
from .test_lockwaits import LEDGER, holder, waiter


def test_a_stall_is_not_told_if_somebody_says_that_he_has_the_lock(tmp_path: Path) -> None:
    job = head(tmp_path)
    working = holder().but(locks=())
    job.hear(working)
    job.observers.replies = {"node01": confirming(holder()), "node02": confirming(waiter())}
    assert not job.hear(working, waiter())
    assert (job.watch.verdict, job.watch.digest.ranks[1].state) == (Verdict.OK, RankState.BLOCKED)
    assert {(host, asked.files) for host, asked in job.observers.received(FindHolders)} == {
        ("node01", (LEDGER,)),
        ("node02", (LEDGER,)),
    }


def test_a_stall_is_told_once_nobody_has_said_so_twice(tmp_path: Path) -> None:
    job = head(tmp_path)
    working = holder().but(locks=())
    job.observers.replies = {"node01": confirming(working), "node02": confirming(waiter())}
    job.hear(working)
    assert job.hear(waiter())
    assert job.watch.verdict is Verdict.STALL
    assert len(job.observers.received(FindHolders)) == 4


def test_who_has_just_woken_up_is_no_stall(tmp_path: Path) -> None:
    job = head(tmp_path)
    job.observers.replies = {"node01": confirming(holder()), "node02": confirming(waiter())}
    job.hear(holder(), waiter())
    awake = node("node02", {1: None})
    job.observers.replies = {"node01": confirming(holder().but(locks=())), "node02": confirming(awake)}
    assert not job.hear(holder().but(locks=()))
    assert (job.watch.verdict, job.watch.digest.ranks[1].state) == (Verdict.OK, RankState.PROGRESSING)


def test_all_are_asked_again_while_somebody_waits_and_nobody_once_he_does_not(tmp_path: Path) -> None:
    job = head(tmp_path)
    job.observers.replies = {"node01": confirming(holder()), "node02": confirming(waiter())}
    job.hear(holder(), waiter())
    job.clock.now_s += 5.0
    job.hear()
    asked = len(job.observers.received(FindHolders))
    assert asked == 4
    job.observers.replies["node02"] = confirming(None)
    job.hear(node("node02", {1: None}))
    job.clock.now_s += 100.0
    job.observers.tell(holder(), node("node02", {1: None}))
    job.watch.tick()
    assert len(job.observers.received(FindHolders)) == asked


def test_a_node_that_does_not_answer_is_not_waited_for_long(tmp_path: Path) -> None:
    job = head(tmp_path)
    began_s = job.clock()
    assert job.hear(holder().but(locks=()), waiter())
    assert job.watch.verdict is Verdict.STALL
    assert job.clock() - began_s < 5.0
