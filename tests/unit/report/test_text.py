"""A result as plain lines, against golden files (regenerate with HANGPROBE_GOLDEN=write)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hangprobe.model import RankState, Verdict
from hangprobe.report.text import finding_title, headline, lines, rank_table, since, start_methods
from hangprobe.result import Program, Result

from .builders import finding, golden, hang, rank, stalled, well


@pytest.mark.parametrize("make", [hang, well, stalled])
def test_the_whole_text_is_the_golden_one(make: Callable[[], Result]) -> None:
    text = "\n".join(lines(make())) + "\n"
    assert text == golden(f"{make.__name__}.txt", text)


@pytest.mark.parametrize("make", [hang, well, stalled])
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
