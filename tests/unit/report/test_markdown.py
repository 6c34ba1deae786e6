"""A result as a Markdown page, against golden files; no name in it can become markup."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from hangprobe.model import Unreadable
from hangprobe.report.markdown import page
from hangprobe.result import Finding, Program, Result

from .builders import finding, golden, hang, leak, stalled, well


@pytest.mark.parametrize("make", [hang, well, stalled, leak])
def test_the_whole_page_is_the_golden_one(make: Callable[[], Result]) -> None:
    assert page(make()) == golden(f"{make.__name__}.md", page(make()))


def test_a_page_ends_in_one_line_break() -> None:
    assert page(hang()).endswith("\n")
    assert not page(hang()).endswith("\n\n")


def test_what_is_empty_has_no_heading() -> None:
    assert not re.search("^## (Findings|Not readable)", page(well()), re.MULTILINE)


def test_of_a_job_that_still_runs_nothing_is_said_to_have_ended() -> None:
    assert "ended by hangprobe" not in page(stalled())


HOSTILE = ["<script>alert(1)</script>", "a|b|c", "*bold*", "_x_", "`code`", "back\\slash", "two\nlines", "<!-- x"]
ESCAPED_NOT = [
    "[click](http://example.org)",
    "![](http://example.org/x.png)",
    "x\r# Title",
    "&lt;b&gt;",
]


def hostile(text: str) -> dict[str, str]:
    """Return the page with `text` in one place after another."""
    plain = finding()
    fields = {name: getattr(plain, name) for name in plain.__struct_fields__}

    def with_finding(**changes: object) -> Result:
        return hang(findings=(Finding(**{**fields, **changes}),))

    return {
        "program": page(hang(program=Program(text, "default", None))),
        "sentence": page(with_finding(says=text)),
        "evidence": page(with_finding(evidence=(text,))),
        "detail": page(with_finding(detail={"lock": text})),
        "assumption": page(with_finding(assumptions=(text,))),
        "unreadable": page(hang(unreadable=(Unreadable(text, text),))),
    }


@pytest.mark.parametrize("text", [*HOSTILE, *ESCAPED_NOT])
def test_a_name_is_shown_and_never_obeyed(text: str) -> None:
    calm = hostile("calm")
    for where, shown in hostile(text).items():
        assert unescaped_marks(shown) == unescaped_marks(calm[where]), where
        assert len(shown.splitlines()) == len(calm[where].splitlines()), where


def unescaped_marks(shown: str) -> list[str]:
    """Return what Markdown would take for markup of a line's inside, in order."""
    without = re.sub(r"\\[!-/:-@\[-`{-~]", "", shown)
    return re.findall(r"[`*_<|\[\]]|&\w+;", without)


@pytest.mark.parametrize(
    "argument",
    [
        "<script>alert(1)</script>",
        "a|b",
        "`x`",
        "two\nlines",
        "`` <b> ``",
        "a\rb",
    ],
)
def test_the_command_stays_one_code_span_in_one_table_cell(argument: str) -> None:
    shown = page(hang(command=("app", argument)))
    (row,) = [line for line in shown.splitlines() if line.startswith("| command |")]
    fence = re.fullmatch(r"\| command \| (`+) (.*) \1 \|", row)
    assert fence is not None
    assert fence[1] not in fence[2]
    assert re.sub(r"\\\|", "", fence[2]).count("|") == 0
    assert len(shown.splitlines()) == len(page(hang(command=("app", "x"))).splitlines())


def test_a_host_name_cannot_add_a_column() -> None:
    ranks = hang().ranks
    fields = {name: getattr(ranks[0], name) for name in ranks[0].__struct_fields__}
    shown = page(hang(ranks=(type(ranks[0])(**{**fields, "host": "no|de"}),)))
    assert "no\\|de" in shown
