"""Who shares a memory where many processes have the same start of stack: they are sorted, not compared in pairs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from hangprobe.model import Unreadable
from hangprobe.observe import sharers as module
from hangprobe.observe.sharers import PAIRWISE_MAX
from hangprobe.observe.world import World

from .calls import Thread, working
from .tree import ProcTree

SERVER, STACK = 100, 0x7000_0000
MANY = range(200, 200 + PAIRWISE_MAX + 4)


def sorted_by(monkeypatch: pytest.MonkeyPatch, memories: Mapping[int, int | None]) -> list[tuple[int, int]]:
    """Answer for the kernel: a number for each process's memory, None for one that may not be asked about."""
    asked: list[tuple[int, int]] = []

    def order(first: int, second: int) -> int | None:
        asked.append((first, second))
        one, other = memories.get(first, first), memories.get(second, second)
        return None if one is None or other is None else (one > other) - (one < other)

    monkeypatch.setattr(module, "memory_order", order)
    return asked


def server(tree: ProcTree, refused: Mapping[frozenset[int], bool | None] | None = None) -> World:
    """Make a process and the many that it forked."""
    tree.add(SERVER, stack=STACK)
    for pid in MANY:
        tree.add(pid, parent=SERVER, is_forked=True)
    return tree.scanned(refused)


def test_those_with_the_same_memory_are_found_among_many(tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    sorted_by(monkeypatch, {201: 7, 205: 7, 210: 7})
    world = server(tree)
    assert [world.sharers(pid) for pid in (201, 205, 202)] == [[205, 210], [201, 210], []]


def test_they_are_sorted_once_for_all(tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = sorted_by(monkeypatch, {})
    world = server(tree)
    world.sharers(201)
    before = len(asked)
    assert [world.sharers(pid) for pid in MANY] == [[]] * len(MANY)
    assert len(asked) == before


def test_one_that_may_not_be_asked_about_may_share(tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    sorted_by(monkeypatch, {205: None})
    world = server(tree, {frozenset({201, 205}): None})
    assert isinstance(world.sharers(201), Unreadable)


def test_one_that_may_not_be_asked_about_by_itself_is_asked_about_in_pairs(
    tree: ProcTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    sorted_by(monkeypatch, {205: None})
    world = server(tree, {frozenset({201, 205}): True})
    assert (world.sharers(201), world.sharers(205)) == ([205], [201])


def test_where_the_order_breaks_off_all_are_asked_about_in_pairs(
    tree: ProcTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def order(first: int, second: int) -> int | None:
        return 0 if first == second else None  # one of the two has gone

    monkeypatch.setattr(module, "memory_order", order)
    world = server(tree, {frozenset({201, 205}): True})
    assert (world.sharers(201), world.sharers(202)) == ([205], [])


def test_what_has_ended_is_not_among_them(tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    sorted_by(monkeypatch, {201: 7, 300: 7, 301: 7})
    tree.add(SERVER, stack=STACK)
    for pid in MANY:
        tree.add(pid, parent=SERVER, is_forked=True)
    tree.add(300, [Thread(state="Z")], parent=SERVER, is_forked=True, state="Z")
    assert tree.scanned().sharers(201) == []


def test_a_process_whose_main_thread_has_left_is_asked_about_by_another_thread(tree: ProcTree) -> None:
    tree.add(SERVER, stack=STACK, is_forked=True)
    tree.add(300, [Thread(state="Z"), working()], parent=SERVER, is_forked=True, state="Z")
    assert tree.scanned({frozenset({SERVER, 301}): True}).sharers(SERVER) == [300]
