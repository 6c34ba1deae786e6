from __future__ import annotations

import pytest

from hangprobe.lint.subject import Described

from ..subjects import HTEX, OLD, TODAY, found, slugs


def test_a_keyword_is_refused_by_the_version_that_does_not_take_it() -> None:
    assert slugs("HighThroughputExecutor(max_workers=4)", TODAY) == ["unknown-keyword"]
    assert slugs("HighThroughputExecutor(max_workers=4)", OLD) == []
    assert slugs("HighThroughputExecutor(max_workers_per_node=4)", TODAY) == []
    assert slugs("HighThroughputExecutor(max_workers_per_node=4)", OLD) == ["unknown-keyword"]


@pytest.mark.parametrize(
    ("text", "facts", "why", "instead"),
    [
        ("HighThroughputExecutor(max_workers=4)", TODAY, "2024.9.9", "max_workers_per_node="),
        ("HighThroughputExecutor(max_workers_per_node=4)", OLD, "2024.3.4", "max_workers="),
        ("Config(app_cache=True)", TODAY, "2025.12.8", "BasicMemoizer(memoize="),
        ("Config(checkpoint_mode='task_exit')", TODAY, "2025.12.8", "BasicMemoizer(checkpoint_mode="),
        ("Config(memoizer=None)", OLD, "2025.12.8", "app_cache="),
        ("HighThroughputExecutor(start_method='spawn')", TODAY, "forked all the same", "leave it out"),
        ("HighThroughputExecutor(cpu_afinity='block')", TODAY, "signature", "did you mean cpu_affinity?"),
    ],
)
def test_the_words_say_since_when_and_what_instead(text: str, facts: object, why: str, instead: str) -> None:
    (one,) = found(text, TODAY if facts is TODAY else OLD)
    assert why in one.why
    assert instead in one.instead


def test_it_is_told_where_the_keyword_is() -> None:
    (one,) = found("Config(\n    retries=2,\n    app_cache=True,\n)\n")
    assert (one.source, one.column) == ("    app_cache=True,", 5)


@pytest.mark.parametrize(
    "text",
    [
        "Config(**{'app_cache': True})",
        "class Mine(HighThroughputExecutor):\n    def __init__(self, max_workers): ...\nMine(max_workers=4)",
        "def HighThroughputExecutor(**kw): ...\nHighThroughputExecutor(max_workers=4)",
        "import parsl\ngetattr(parsl.config, 'Config')(app_cache=True)",
        "from functools import partial\npartial(HighThroughputExecutor, max_workers=4)",
        "dict(max_workers=4)",
        "def unknown_to_the_subject(**kw): ...\nunknown_to_the_subject(app_cache=True)",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert slugs(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "import parsl\nif parsl.__version__ < '2024.9.9':\n    HighThroughputExecutor(max_workers=4)",
        "try:\n    HighThroughputExecutor(max_workers=4)\nexcept TypeError:\n    pass",
        "def old():\n    return HighThroughputExecutor(max_workers=4)",
        "for n in range(3):\n    HighThroughputExecutor(label=str(n), max_workers=4)",
        "from mysite import *\nHighThroughputExecutor(max_workers=4)",
        "exec('class HighThroughputExecutor: ...')\nHighThroughputExecutor(max_workers=4)",
        "HighThroughputExecutor.__init__ = mine = lambda self, **kw: None\nHighThroughputExecutor(max_workers=4)",
    ],
)
def test_what_may_never_run_or_be_another_is_a_warning_only(text: str) -> None:
    assert slugs(text) == ["unknown-keyword?"]


def test_a_function_that_is_called_is_looked_into() -> None:
    text = "def build():\n    return Config(executors=[HighThroughputExecutor(max_workers=4)])\nconfig = build()"
    assert slugs(text) == ["unknown-keyword"]


def test_advice_that_would_not_hold_for_the_subject_is_not_given() -> None:
    neither = TODAY.but(names=(Described(HTEX, "class", ("label", "address")),))
    (one,) = found("HighThroughputExecutor(max_workers=4)", neither)
    assert (one.instead, "signature" in one.why) == ("", True)
