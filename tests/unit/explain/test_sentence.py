"""What a finding says, from its parts."""

from __future__ import annotations

import pytest

from hangprobe.explain.sentence import PIDS_SHOWN, alike, sentence
from hangprobe.model import Tier
from hangprobe.result import Finding, FoundProcess


def finding(*processes: FoundProcess, **changes: object) -> Finding:
    found = Finding("deadlock", Tier.PROVEN, False, "1", processes, (), {}, "as it was", clause="waits")
    return found.but(**changes)


def process(pid: int, host: str = "node01", forked: bool | None = False) -> FoundProcess:
    return FoundProcess(host, pid, 1, forked)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (finding(process(4)), "rank 1: pid 4 waits"),
        (finding(process(4, forked=None)), "rank 1: pid 4 waits"),
        (finding(process(4, forked=True)), "rank 1: the child that it forked without exec (pid 4) waits"),
        (finding(process(4), process(5), ranks="1-2"), "ranks 1-2: each of pids 4, 5 waits"),
        (
            finding(process(4, forked=True), process(4, "node02", forked=True), ranks="1-2"),
            "ranks 1-2: the child that each forked without exec (pids 4 on node01, 4 on node02) waits",
        ),
        (finding(process(4), mechanism="dead-helper"), "rank 1: every thread of pid 4 waits"),
        (finding(process(4), processes_total=9, ranks="1-9"), "ranks 1-9: each of pids 4, ... waits"),
    ],
)
def test_who_waits_is_told_by_what_is_known_of_the_processes(found: Finding, said: str) -> None:
    assert sentence(found.but(tier=Tier.BLOCKED)) == said


@pytest.mark.parametrize(("tier", "end"), [("proven", "killed"), ("leak", "that is kept"), ("blocked", "waits")])
def test_how_it_ends_is_told_by_the_tier(tier: str, end: str) -> None:
    assert sentence(finding(process(4), tier=Tier(tier))).endswith(end)


def test_only_some_processes_are_named() -> None:
    assert sentence(finding(*(process(n) for n in range(PIDS_SHOWN)))).count("...") == 0
    assert sentence(finding(*(process(n) for n in range(PIDS_SHOWN + 1)))).count("...") == 1


def test_without_a_clause_it_says_what_it_said() -> None:
    assert sentence(finding(process(4), clause=None)) == "as it was"


def test_one_other_rank_is_alike_and_several_are() -> None:
    assert (alike(1), alike(2)) == ("the other rank is alike", "the other 2 ranks are alike")
