from __future__ import annotations

import ast

import pytest

from hangprobe.lint.values import literal

from .subjects import reading


def value(text: str) -> object:
    """The literal that the argument of the last call of f is."""
    one = reading(text)
    call = [n for n in one.nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "f"][-1]
    found = literal(one, call.args[0])
    return "unknown" if found is None else found.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f('a')", "a"),
        ("f(None)", None),
        ("x = 'a'\nf(x)", "a"),
        ("x: str = 'a'\nf(x)", "a"),
        ("d = {'k': 'a', 'l': g()}\nf(d['k'])", "a"),
        ("d = {'k': 'a'}\nprint(d['l'])\nf(d['k'])", "a"),
    ],
)
def test_what_is_written_in_plain_words_is_known(text: str, expected: object) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "f(g())",
        "x = 'a'\nx = 'b'\nf(x)",
        "x = 'a'\nx += 'b'\nf(x)",
        "for x in 'ab':\n    f(x)",
        "def g(x='a'): f(x)",
        "d = {'k': 'a'}\nd['k'] = 'b'\nf(d['k'])",
        "d = {'k': 'a'}\nd.update(k='b')\nf(d['k'])",
        "d = {'k': 'a'}\nchange(d)\nf(d['k'])",
        "d = {'k': 'a'}\ne = d\nf(d['k'])",
        "d = {'k': 'a', **more}\nf(d['k'])",
        "d = {'k': 'a', 'k': 'b'}\nf(d['k'])",
        "d = {'k': 'a'}\ndel d['k']\nf(d['k'])",
        "d = dict(k='a')\nf(d['k'])",
        "d = {'k': 'a'}\nf(d[k])",
    ],
)
def test_what_may_change_is_unknown(text: str) -> None:
    assert value(text) == "unknown"
