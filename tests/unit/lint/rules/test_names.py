from __future__ import annotations

import pytest

from ..subjects import TODAY, found, slugs


def test_a_string_without_quotes_is_told_so() -> None:
    (one,) = found("opts = {'strategy': simple}")
    assert (one.slug, one.instead, one.is_refusing) == ("undefined-name", '"simple", in quotes', True)


def test_a_slip_of_the_pen_is_offered_the_name_that_is_meant() -> None:
    (one,) = found("user_opts = {}\nprint(user_opt)")
    assert one.instead == "did you mean user_opts?"


@pytest.mark.parametrize(
    "text",
    [
        "from mysite import *\nprint(simple)",
        "exec('simple = 1')\nprint(simple)",
        "globals().update(simple=1)\nprint(simple)",
        "import builtins\nbuiltins.simple = 1\nprint(simple)",
        "print(__file__, __name__, len, print)",
        "[x for x in 'ab']",
        "with open('x') as simple: print(simple)",
        "def f():\n    global simple\n    simple = 1\nf()\nprint(simple)",
        "if (simple := 1): print(simple)",
        "import os.path\nprint(os)",
        "try:\n    1\nexcept OSError as simple:\n    print(simple)",
        "class A:\n    def f(self): return __class__",
        "x: simple = 1",
        "def f(a: simple) -> simple: ...",
        "match 1:\n    case simple: print(simple)",
        "def f(*simple, **others): print(simple, others)\nf()",
    ],
)
def test_a_name_that_something_defines_is_left_alone(text: str) -> None:
    assert slugs(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "def never_called():\n    return simple",
        "try:\n    simple\nexcept NameError:\n    pass",
        "if False:\n    simple",
        "True or simple",
        "lambda: simple",
    ],
)
def test_a_name_that_may_never_be_looked_up_is_a_warning_only(text: str) -> None:
    assert slugs(text) == ["undefined-name?"]


def test_the_built_in_names_are_the_subjects() -> None:
    assert slugs("print(newer)", TODAY.but(builtins=("newer",))) == []


def test_a_name_in_what_could_not_be_read_may_be_defined_there() -> None:
    assert slugs("$ simple = 1\nprint(simple)") == ["syntax-error"]
