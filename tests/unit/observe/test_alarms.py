"""Which alarm(2) timers the kernel lists, as far as it lists them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from hangprobe.observe.alarms import real_timers
from hangprobe.observe.census import Scope
from hangprobe.observe.reader import Reader
from hangprobe.observe.snapshot import collect

from .tree import ProcTree

LIST = """\
active timers:
 #0: <0000000011111111>, hrtimer_wakeup, S:01
 # expires at 13381172000000-13381172050000 nsecs [in 1 to 2 nsecs]
 #1: <000000006baf95bd>, it_real_fn, S:01
 # expires at 13381172778810-13381172778810 nsecs [in 4995432533 to 4995432533 nsecs]
"""
ROOT = 100


def test_the_timers_of_alarms_are_told_by_their_addresses(tree: ProcTree) -> None:
    tree.write("timer_list", LIST)
    assert real_timers(tree.reader()) == frozenset({"000000006baf95bd"})


@pytest.mark.parametrize("shown", [(True, False, False), (False, True, False), (False, False, True)])
def test_a_timer_that_the_kernel_has_passed_over_in_one_read_is_known_by_another(shown: tuple[bool, ...]) -> None:
    texts = iter(LIST if is_shown else "active timers:\n" for is_shown in shown)
    reader = cast("Reader", SimpleNamespace(text=lambda _: next(texts)))
    assert real_timers(reader) == frozenset({"000000006baf95bd"})


def test_where_the_list_may_not_be_read_nothing_is_known(tree: ProcTree) -> None:
    assert real_timers(tree.reader()) is None


@pytest.mark.parametrize(
    ("before", "is_new"), [(set(), True), ({"other"}, True), ({"000000006baf95bd"}, False), (None, None)]
)
def test_an_alarm_counts_if_it_was_not_set_when_the_job_began(
    tree: ProcTree, before: set[str] | None, is_new: bool | None
) -> None:
    tree.add(ROOT)
    tree.write("timer_list", LIST)
    alarms = None if before is None else frozenset(before)
    tree.scope = Scope(tree.id(ROOT), alarms=alarms)
    assert collect(tree.world(), [tree.id(ROOT)], is_second=True).alarms is is_new


def test_the_first_collect_does_not_look_for_them(tree: ProcTree) -> None:
    tree.add(ROOT)
    tree.write("timer_list", LIST)
    tree.scope = Scope(tree.id(ROOT), alarms=frozenset())
    assert collect(tree.world(), [tree.id(ROOT)], is_second=False).alarms is None
