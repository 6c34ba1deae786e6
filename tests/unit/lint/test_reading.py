from __future__ import annotations

import ast

import pytest

from .subjects import reading


def certain_names(text: str) -> set[str]:
    one = reading(text)
    return {n.id for n in one.nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and id(n) in one.certain}


@pytest.mark.parametrize(
    "text",
    [
        "x = yes",
        "f(a=[{'k': yes}])",
        "if yes: no",
        "for i in yes: no",
        "while yes: no",
        "yes and no",
        "no if yes else no",
        "yes < 1 < no",
        "try:\n    no\nexcept ValueError:\n    no\nfinally:\n    yes",
        "try:\n    yes\nfinally:\n    yes",
        "with yes: no",
        "lambda a=yes: no",
        "[no for a in yes for b in no]",
        "def f(a=yes): return no",
        "class A(yes):\n    def f(self): no",
        "class A:\n    b = yes",
        "def f():\n    return yes\nf()",
        "def f():\n    if yes: return 1\n    no\nf()",
        "def f():\n    g()\ndef g(): yes\nf()",
        "def f():\n    yield no\nyes(1)",
        "@yes\ndef f(): no",
        "def f():\n    f()\n    yes\nf()",
        "async def f(): no\nyes()",
        "match yes:\n    case 1: no",
        "assert yes, no",
        "x: no = yes",
    ],
)
def test_only_what_surely_runs_is_certain(text: str) -> None:
    assert certain_names(text) - {"f", "g"} == {"yes"}


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("from parsl.config import Config as C\nC()", "parsl.config.Config"),
        ("import parsl\nparsl.config.Config()", "parsl.config.Config"),
        ("import parsl.config\nimport parsl\nparsl.config.Config()", "parsl.config.Config"),
        ("import parsl.config as pc\npc.Config()", "parsl.config.Config"),
        ("from parsl import config\nconfig.Config()", "parsl.config.Config"),
        ("from parsl.config import Config\ndef Config(**kw): ...\nConfig()", None),
        ("from parsl.config import Config\nConfig = wrap(Config)\nConfig()", None),
        ("from parsl.config import Config\ndef f(Config): Config()", None),
        ("try:\n  from parsl.config import Config\nexcept ImportError as Config:\n  pass\nConfig()", None),
        ("from .config import Config\nConfig()", None),
        ("Config()", None),
    ],
)
def test_a_name_means_an_import_only_where_nothing_else_binds_it(text: str, meaning: str | None) -> None:
    one = reading(text)
    calls = [node for node in one.nodes if isinstance(node, ast.Call)]
    assert one.meaning(calls[-1].func) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "from os import *",
        "exec('x = 1')",
        "globals()['x'] = 1",
        "import builtins\nbuiltins.x = 1",
        "import sys\nsys.modules[__name__].x = 1",
        "import parsl\nparsl.config.Config = 1",
        "from parsl.config import Config\nConfig.__init__ = 1",
    ],
)
def test_a_file_that_makes_names_out_of_sight_is_wild(text: str) -> None:
    assert reading(text).is_wild


def test_an_ordinary_file_is_not_wild() -> None:
    assert not reading("import os\nx = os.path\nx.y = 1").is_wild


def test_a_place_is_counted_in_letters_and_in_the_file_as_it_was_given() -> None:
    one = reading('d = {"é": 1 "ü": 2}; f(ß)')
    name = next(node for node in one.nodes if isinstance(node, ast.Name) and node.id == "ß")
    assert one.place(name) == (1, 24)
