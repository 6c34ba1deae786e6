"""Limits, processors, umask and niceness as the kernel writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangprobe.context.values import Limit, Processors
from hangprobe.observe.context.limits import changed, parse_limits, parse_nice, parse_processors, parse_umask

from ..tree import capture

ROWS = (
    ("Limit", "Soft Limit", "Hard Limit", "Units"),
    ("Max cpu time", "unlimited", "unlimited", "seconds"),
    ("Max open files", "20000", "1048576", "files"),
    ("Max realtime priority", "0", "0", ""),
)
LINES = "".join(f"{name:<25} {soft:<20} {hard:<20} {units:<10}\n" for name, soft, hard, units in ROWS)
"""fs/proc/base.c, proc_pid_limits: columns are padded to these widths, the last one too."""


def test_limits_have_name_soft_and_hard_value() -> None:
    assert parse_limits(LINES) == (
        Limit("cpu time", "unlimited", "unlimited"),
        Limit("open files", "20000", "1048576"),
        Limit("realtime priority", "0", "0"),
    )


def test_limits_of_the_launcher_are_compared_by_name() -> None:
    own = parse_limits(LINES)
    assert changed(own, parse_limits(LINES.replace("20000", "1024 "))) == ("open files",)
    assert changed(own, own[:1]) == ()


@pytest.mark.parametrize(
    ("text", "count"), [("0-1", 2), ("3", 1), ("0-3,8,10-11", 7), ("0-", None), ("5-3", None), ("", None)]
)
def test_processors_are_counted(text: str, count: int | None) -> None:
    expected = None if count is None else Processors(count, text)
    assert parse_processors(f"Cpus_allowed:\tff\nCpus_allowed_list:\t{text}\nMems_allowed:\t1\n") == expected


def test_status_of_a_real_process() -> None:
    status = capture("sleep")["status"].decode()
    assert parse_umask(status) == "0022"
    assert parse_processors(status) == Processors(2, "0-1")


def test_niceness_of_a_real_process() -> None:
    stat = capture("sleep")["stat"].decode()
    head, _, rest = stat.rpartition(")")
    words = rest.split()
    assert parse_nice(stat) == 0
    words[16] = "-5"
    assert parse_nice(f"{head}) ) {' '.join(words)}") == -5


@given(st.text())
def test_anything_else_is_not_known(text: str) -> None:
    assert parse_umask(text) is None
    assert parse_nice(text) is None or len(text) > 16
    assert parse_limits(text) == ()
