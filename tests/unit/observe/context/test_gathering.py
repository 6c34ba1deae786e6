"""Launch contexts of a running job are read once each, some at a time, and not before a rank had time to begin."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hangprobe.model import Launcher, RankView
from hangprobe.observe.context import gathering
from hangprobe.observe.context.gathering import AT_ONCE, SETTLE_S, Gathering

from ..tree import HOST, ProcTree
from .jobs import FIRST, hydra, view


@pytest.fixture
def gathered(tree: ProcTree) -> Gathering:
    hydra(tree)
    return Gathering(tree.reader(), HOST)


def views(tree: ProcTree, count: int = 3) -> list[RankView]:
    return [view(tree, rank) for rank in range(count)]


def test_a_rank_has_a_moment_before_it_is_read(tree: ProcTree, gathered: Gathering) -> None:
    assert not gathered.gather(views(tree), 10.0)
    assert not gathered.gather(views(tree), 10.0 + SETTLE_S / 2)
    assert gathered.contexts == {}
    assert gathered.gather(views(tree), 10.0 + SETTLE_S)
    assert sorted(gathered.contexts) == [0, 1, 2]
    assert gathered.contexts[0].launcher is Launcher.HYDRA


def test_a_rank_that_comes_later_has_its_own_moment(tree: ProcTree, gathered: Gathering) -> None:
    gathered.gather(views(tree, 2), 10.0)
    gathered.gather(views(tree, 3), 10.0 + SETTLE_S)
    assert sorted(gathered.contexts) == [0, 1]
    gathered.gather(views(tree, 3), 10.0 + 2 * SETTLE_S)
    assert sorted(gathered.contexts) == [0, 1, 2]


def test_each_rank_is_read_once(tree: ProcTree, gathered: Gathering) -> None:
    gathered.gather(views(tree), 0.0)
    gathered.gather(views(tree), SETTLE_S)
    before = dict(gathered.contexts)
    tree.write(f"{FIRST}/limits", "")
    assert not gathered.gather(views(tree), 9 * SETTLE_S)
    assert gathered.contexts == before


def test_the_last_chance_is_taken_at_once(tree: ProcTree, gathered: Gathering) -> None:
    assert gathered.gather(views(tree), 0.0, is_last_chance=True)
    assert sorted(gathered.contexts) == [0, 1, 2]


def test_what_no_launcher_has_started_has_none(tree: ProcTree, gathered: Gathering) -> None:
    lone = [view(tree).but(launcher=Launcher.NONE)]
    assert not gathered.gather(lone, 0.0, is_last_chance=True)
    assert gathered.contexts == {}


def test_of_a_thousand_ranks_some_are_read_at_a_time_and_in_the_end_all(
    tree: ProcTree, gathered: Gathering, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    class Told:
        def __init__(self, holders: object, ranks: Sequence[RankView]) -> None:
            pass

        def read(self, rank: RankView) -> int:
            read.append(rank.rank)
            return rank.rank

    monkeypatch.setattr(gathering, "Contexts", Told)
    many = [view(tree, 0).but(rank=rank) for rank in range(3 * AT_ONCE + 1)]
    steps = []
    for step in range(6):
        before = len(read)
        gathered.gather(many, step * SETTLE_S)
        steps.append(len(read) - before)
    assert steps == [0, AT_ONCE, AT_ONCE, AT_ONCE, 1, 0]
    assert sorted(read) == list(range(3 * AT_ONCE + 1))


def test_a_rank_that_has_gone_is_read_as_gone_and_not_again(tree: ProcTree, gathered: Gathering) -> None:
    gone = view(tree).but(top=tree.id(FIRST).but(pid=9999))
    assert gathered.gather([gone], 0.0, is_last_chance=True)
    assert [each.why for each in gathered.contexts[0].unreadable] == ["gone"]
    assert not gathered.gather([gone], 1.0, is_last_chance=True)
