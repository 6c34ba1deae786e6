from __future__ import annotations

from hangprobe.errors.ensembles import ConfigurationRefused
from hangprobe.lint.mistake import Mistake, Severity, in_order, render

COMMA = Mistake(2, 7, "missing-comma", "a comma is missing", "Python stops", "x,", source='    "x"  "y"')
LATER = Mistake(9, 1, "launcher-options", "it may not work", "who knows", "", Severity.WARNING)


def test_a_mistake_is_told_as_compilers_do() -> None:
    assert COMMA.told("c.py").splitlines() == [
        "c.py:2:7: missing-comma: a comma is missing",
        '        "x"  "y"',
        "          ^",
        "  why: Python stops",
        "  instead: x,",
    ]


def test_a_warning_says_that_it_is_one_and_offers_nothing_where_there_is_nothing() -> None:
    assert LATER.told("c.py") == "c.py:9:1: warning: launcher-options: it may not work\n  why: who knows"


def test_the_caret_is_below_its_column_behind_tabs_too() -> None:
    _, line, caret, *_ = COMMA.but(source="\t\tx = y z", column=7).told("c.py").splitlines()
    assert line[caret.index("^")] == "y"


def test_mistakes_are_told_from_top_to_bottom_and_once() -> None:
    assert in_order([LATER, COMMA, LATER]) == (COMMA, LATER)
    assert render("c.py", [LATER, COMMA]).index("c.py:2:7") == 0


def test_a_refusal_shows_all_of_them_and_counts() -> None:
    said = str(ConfigurationRefused("c.py", (COMMA, LATER)))
    assert said.startswith("c.py is refused: 1 mistake and 1 warning\n\nc.py:2:7: missing-comma")
    assert "c.py:9:1: warning: launcher-options" in said
