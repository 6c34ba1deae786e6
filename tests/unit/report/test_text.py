"""A result as plain lines, against golden files (regenerate with HANGPROBE_GOLDEN=write)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hangprobe.model import RankState, Verdict
from hangprobe.report.text import WIDTH, finding_title, headline, lines, rank_table, reasons, since, start_methods
from hangprobe.result import Program, Result

from .builders import finding, golden, hang, leak, rank, stalled, well


@pytest.mark.parametrize("make", [hang, well, stalled, leak])
def test_the_whole_text_is_the_golden_one(make: Callable[[], Result]) -> None:
    text = "\n".join(lines(make())) + "\n"
    assert text == golden(f"{make.__name__}.txt", text)


@pytest.mark.parametrize("make", [hang, well, stalled, leak])
def test_no_line_ends_in_spaces_or_holds_a_line_break(make: Callable[[], Result]) -> None:
    assert all(line == line.rstrip() and "\n" not in line for line in lines(make()))


def test_the_first_line_is_the_verdict() -> None:
    assert headline(hang()) == "HANG (proven): mpiexec, 4 ranks by hydra, reported 0.61 s after the last thread blocked"


def test_a_reproducer_is_named_with_its_variant_and_its_mitigation() -> None:
    assert headline(well()).startswith("OK: thread-lock --variant rlock --mitigate spawn, 4 ranks by hydra")
    assert "--variant" not in headline(hang(program=Program("thread-lock", "default", None)))


@pytest.mark.parametrize(
    ("ended_by", "said"),
    [
        ("itself", "ended by itself with status 3 after 3.1 s"),
        ("user", "ended by the user after 3.1 s"),
        ("hangprobe", "ended by hangprobe after 3.1 s"),
        (None, "still running"),
    ],
)
def test_the_first_line_says_how_the_job_ended(ended_by: str | None, said: str) -> None:
    result = hang(verdict=Verdict.FAILED, tier=None, detected_after_s=None, ended_by=ended_by, exit_status=3)
    assert headline(result).endswith(said)


def test_one_rank_is_no_ranks() -> None:
    assert "1 rank by hydra" in headline(hang(ranks=(rank(0, RankState.PROVEN),)))


def test_ranks_that_are_alike_share_a_line() -> None:
    table = rank_table(hang().ranks)
    assert [line.split()[0] for line in table] == ["ranks", "0", "1-3"]


def test_a_job_that_was_never_sampled_has_no_table() -> None:
    assert rank_table(()) == []


def test_only_a_few_pids_are_shown() -> None:
    table = rank_table(rank(n, RankState.PROVEN) for n in range(6))
    assert table[1].endswith("4210, 4211, 4212, 4213, ...")


@pytest.mark.parametrize(
    ("times", "said"),
    [([], ""), ([None], ""), ([2.0], "2.0 s"), ([2.0, 2.05], "2.0 s"), ([2.0, None, 3.5], "2.0-3.5 s")],
)
def test_since_when_is_one_time_or_a_range(times: list[float | None], said: str) -> None:
    assert since(rank(n, RankState.PROVEN, time_s) for n, time_s in enumerate(times)) == said


def test_doubt_stands_in_the_title_of_a_finding() -> None:
    assert finding_title(finding()) == "fork-orphaned-lock (proven, cause likely, lock: python-lock)"


def test_children_that_were_too_short_lived_are_not_claimed() -> None:
    assert start_methods(stalled()) == "none lived long enough to be seen"
    assert start_methods(hang()) == "fork (ranks 0-3)"


# Why ranks are blocked or stalled.


def test_ranks_that_wait_for_the_same_share_a_reason() -> None:
    assert reasons(leak().ranks) == ["  ranks 2-3: waits for FLOCK on /scratch/other.lock, held by pid 4400"]


def test_a_rank_that_a_finding_explains_needs_no_reason() -> None:
    told = rank(1, RankState.BLOCKED, mechanism="fork-orphaned-lock", why="pid 4 catches TERM")
    assert reasons([told, rank(2, RankState.PROGRESSING)]) == []


def test_different_reasons_stand_in_lines_of_their_own() -> None:
    ranks = [rank(n, RankState.BLOCKED, why=f"pid {n} catches TERM") for n in (1, 2)]
    assert reasons(ranks) == ["  rank 1: pid 1 catches TERM", "  rank 2: pid 2 catches TERM"]


def test_a_long_reason_is_folded() -> None:
    shown = reasons([rank(1, RankState.BLOCKED, why="waits " * 40)])
    assert len(shown) > 1
    assert all(len(line) <= WIDTH for line in shown)


def test_every_assumption_stands_on_a_line_of_its_own_and_none_is_said_to_be_none() -> None:
    assert [line for line in lines(leak()) if line.startswith("    - A")] == [
        line for line in lines(leak()) if line.strip().startswith(("- A1: ", "- A2: "))
    ]
    assert sum(line.strip().startswith(("- A1: ", "- A2: ")) for line in lines(leak())) == 2
    assert "  assumptions: none" in lines(hang())
    assert "  assumptions: none" not in lines(leak())
