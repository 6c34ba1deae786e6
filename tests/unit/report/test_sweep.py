"""Many results in few lines: every tree is counted once, and what is unknown says why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.model import RankState, Verdict
from hangprobe.report.sweep import NAME_WIDTH, UNKNOWN_SHOWN, name, summary, unknown_lines
from hangprobe.result import Result

from .builders import golden, hang, leak, rank, stalled, well


def unknown(number: int = 0, why: str | None = "its main thread could not be read") -> Result:
    """Return the document about a program of which nothing can be told."""
    ranks = (rank(number, RankState.UNKNOWN, why=why),)
    return hang(verdict=Verdict.UNKNOWN, tier=None, ranks=ranks, findings=(), command=("dbus-daemon", "--system"))


def test_the_summary_of_a_sweep_is_the_golden_one() -> None:
    results = [hang(), leak(), stalled(), unknown(1), unknown(2, None), *([well()] * 5)]
    text = "\n".join([summary(results), *unknown_lines(results)]) + "\n"
    assert text == golden("sweep.txt", text)


def test_a_sweep_that_found_nothing_to_look_at_says_so() -> None:
    assert summary([]) == "looked at 0 jobs and programs: 0 hang, 0 stall, 0 unknown, 0 ok"
    assert unknown_lines([]) == []


VERDICTS = st.lists(st.sampled_from([Verdict.HANG, Verdict.STALL, Verdict.OK, Verdict.UNKNOWN]), max_size=40)


@given(VERDICTS)
def test_the_counts_add_up_to_what_was_looked_at(verdicts: list[Verdict]) -> None:
    said = summary([hang(verdict=verdict) for verdict in verdicts])
    head, _, tail = said.partition(": ")
    counts = [int(part.split()[0]) for part in tail.split(", ")]
    assert head == f"looked at {len(verdicts)} jobs and programs"
    assert sum(counts) == len(verdicts)
    assert counts[0] == verdicts.count(Verdict.HANG)


@pytest.mark.parametrize(
    ("unknown_ones", "well_ones", "share"), [(1, 2, "33.3 %"), (0, 3, "0.0 %"), (2, 0, "100.0 %"), (1, 399, "0.2 %")]
)
def test_the_share_of_what_is_unknown_is_told(unknown_ones: int, well_ones: int, share: str) -> None:
    assert f"{unknown_ones} unknown ({share})" in summary([unknown()] * unknown_ones + [well()] * well_ones)


@given(st.integers(0, 40))
def test_of_many_that_are_unknown_a_few_are_shown_and_the_rest_counted(count: int) -> None:
    lines = unknown_lines([unknown(n) for n in range(count)] + [well()])
    shown = [line for line in lines if "unknown: pid" in line]
    more = [line for line in lines if line.startswith("  and ")]
    assert len(shown) == min(count, UNKNOWN_SHOWN)
    assert more == ([f"  and {count - UNKNOWN_SHOWN} more"] if count > UNKNOWN_SHOWN else [])


def test_one_that_is_unknown_for_no_told_reason_says_that() -> None:
    assert unknown_lines([unknown(0, None)]) == ["  unknown: pid 4210 dbus-daemon --system: not told"]


def test_one_of_which_no_rank_was_seen_has_no_pid() -> None:
    assert unknown_lines([hang(verdict=Verdict.UNKNOWN, ranks=())])[0].startswith("  unknown: pid ?")


def test_only_what_is_unknown_is_named() -> None:
    assert unknown_lines([hang(), leak(), stalled(), well()]) == []


# names of programs: anybody may write anything into a command line


@given(st.lists(st.text()))
def test_a_command_line_is_one_short_printable_line(command: list[str]) -> None:
    said = name(hang(command=tuple(command)))
    assert len(said) <= NAME_WIDTH
    assert said.isprintable()


def test_a_terminals_control_sequence_is_not_passed_on() -> None:
    assert name(hang(command=("app", "\x1b[2J\n\udcff"))) == "app ?[2J??"


def test_a_long_command_line_says_that_it_goes_on() -> None:
    said = name(hang(command=("x" * 200,)))
    assert (len(said), said[-4:]) == (NAME_WIDTH, "x...")
