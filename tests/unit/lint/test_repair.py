from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.lint.repair import line_and_column, original, parse

from .subjects import SEED


def slips(text: str) -> list[tuple[int, int, str]]:
    return [(one.line, one.column, one.slug) for one in parse(text).slips]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('d = {\n  "a": "x/"\n  "b": 3,\n}\n', [(2, 12, "missing-comma")]),
        ("f(a=1\n  b=2)\n", [(1, 6, "missing-comma")]),
        ('d = {\n  "a": 1  # why\n  "b": 2  # not\n  "c": 3\n}\n', [(2, 9, "missing-comma"), (3, 9, "missing-comma")]),
        ("f(\n  g(1),\n", [(2, 8, "missing-bracket")]),
        ("x = [1, 2\ny = 3\n", [(1, 10, "missing-bracket")]),
        ("x = f(1))\n", [(1, 9, "stray-bracket")]),
        ("if x\n    y = 1\n", [(1, 5, "missing-colon")]),
        ("x = 1\n$$$\ny = 2\n", [(2, 1, "syntax-error")]),
        ("f(a=1,\n  a=2)\n", [(2, 3, "syntax-error")]),
        ("x = f(\n  1,\n  $,\n  2,\n)\ny = 2\n", [(3, 3, "syntax-error")]),
    ],
)
def test_each_error_of_syntax_is_told_at_its_place(text: str, expected: list[tuple[int, int, str]]) -> None:
    assert slips(text) == expected


def test_what_stands_after_an_error_is_read() -> None:
    tree = parse("d = {'a': 1 'b': 2}\nlater = 1\nx = = 3\nlast = 2\n").tree
    assert {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} >= {"d", "later", "last"}


def test_what_only_the_compiler_refuses_is_read_nevertheless() -> None:
    assert len(parse("f(a=1,\n  a=2)\nx = 1\n").tree.body) == 2


def test_the_seeds_one_error_is_a_comma_at_the_end_of_its_line() -> None:
    parsed = parse(SEED)
    assert slips(SEED) == [(21, 70, "missing-comma")]
    assert SEED.split("\n")[20][68:] == '"'
    assert "simple" in {node.id for node in ast.walk(parsed.tree) if isinstance(node, ast.Name)}


def test_what_is_lost_is_kept_as_words() -> None:
    assert parse("$ a = 1\nb = a\n").blanked == "$ a = 1\n"


def test_a_text_that_is_no_python_at_all_is_one_error() -> None:
    parsed = parse("= \n" * 50)
    assert (len(parsed.slips), parsed.tree.body) == (1, [])


def test_null_bytes_and_depth_are_errors_and_no_crash() -> None:
    assert parse("x = 1\0\n").slips
    assert parse("x = " + "(" * 5000 + ")" * 5000).slips


@given(st.text(alphabet="abc=()[]{}:,'\"\n #1é", max_size=60))
def test_any_text_is_read_somehow_and_a_right_one_untouched(text: str) -> None:
    parsed = parse(text)
    try:
        compile(text, "c", "exec")
    except (SyntaxError, ValueError):
        assert parsed.slips
    else:
        assert (parsed.slips, parsed.edits, parsed.text) == ((), (), text)


@given(st.text(alphabet="ab=()[]:,'\n é1", max_size=60))
def test_the_place_of_an_error_is_one_of_the_text(text: str) -> None:
    lines = text.split("\n")
    for line, column, _ in slips(text):
        assert 1 <= line <= len(lines) + 1
        assert 1 <= column <= max(map(len, lines)) + 2


@given(st.text(alphabet="ab=()[]{}:,'\n 1", max_size=60), st.data())
def test_places_of_the_edited_text_lead_back_to_the_same_letter(text: str, data: st.DataObject) -> None:
    parsed = parse(text)
    if parsed.edits and parsed.text:
        at = data.draw(st.integers(0, len(parsed.text)))
        before = original(parsed.edits, at)
        assert 0 <= before <= len(text)
        put_in = {edit.offset for edit in parsed.edits}
        if len(parsed.edits) == 1 and not parsed.blanked and at < len(parsed.text) and at not in put_in:
            assert text[before] == parsed.text[at]
    assert line_and_column("ab\nc", 3) == (2, 1)
