"""How a process came to be, as seen in the live tree."""

from __future__ import annotations

import pytest

from hangprobe.model import StartMethod, Unreadable
from hangprobe.observe.lineage import lineage, start_method

from .calls import working
from .tree import ProcTree

PARENT, CHILD = 100, 200
SERVER = ("python", "-c", "from multiprocessing.forkserver import main; main(5, 6)")
SPAWNED = (
    "python",
    "-c",
    "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5)",
    "--multiprocessing-fork",
)
TRACKER = ("python", "-c", "from multiprocessing.resource_tracker import main;main(4)")


def method(
    tree: ProcTree, is_forked: bool | None, *command: str, parent: tuple[str, ...] = ("python",)
) -> StartMethod | None:
    tree.add(PARENT, command=parent)
    tree.add(CHILD, parent=PARENT, is_forked=bool(is_forked), command=command or ("python", "app.py"))
    return start_method(tree.reader(), CHILD, PARENT, is_forked)


def test_a_process_that_has_not_execd_was_forked(tree: ProcTree) -> None:
    assert method(tree, True) is StartMethod.FORK


def test_below_a_forkserver_it_was_forked_by_that(tree: ProcTree) -> None:
    assert method(tree, True, parent=SERVER) is StartMethod.FORKSERVER


def test_a_fork_of_a_spawned_process_is_a_fork_whatever_its_command_line_says(tree: ProcTree) -> None:
    assert method(tree, True, *SPAWNED, parent=SPAWNED) is StartMethod.FORK


def test_a_spawned_process_says_so_on_its_command_line(tree: ProcTree) -> None:
    assert method(tree, False, *SPAWNED) is StartMethod.SPAWN


def test_any_other_program_was_execd(tree: ProcTree) -> None:
    assert method(tree, False, "sleep", "10") is StartMethod.EXEC


@pytest.mark.parametrize("command", [SERVER, TRACKER])
def test_the_helpers_of_multiprocessing_are_nobodys_children(tree: ProcTree, command: tuple[str, ...]) -> None:
    assert method(tree, False, *command) is None


def test_what_cannot_be_read_is_not_told(tree: ProcTree) -> None:
    assert method(tree, None) is None
    tree.write(f"{CHILD}/cmdline", "")
    assert start_method(tree.reader(), CHILD, PARENT, is_forked=False) is None


def test_the_lineage_of_a_forked_child_names_its_parents_threads(tree: ProcTree) -> None:
    tree.add(PARENT, [working(), working()])
    tree.add(CHILD, parent=PARENT, is_forked=True)
    found = lineage(tree.scanned(), tree.id(CHILD))
    assert not isinstance(found, Unreadable)
    assert (found.parent, found.start_method, found.parent_threads) == (
        tree.id(PARENT),
        StartMethod.FORK,
        (PARENT, PARENT + 1),
    )


def test_who_adopted_an_orphan_is_not_its_parent(tree: ProcTree) -> None:
    tree.add(PARENT)
    tree.add(CHILD, parent=PARENT, is_forked=True, stack=1)
    found = lineage(tree.scanned(), tree.id(CHILD))
    assert not isinstance(found, Unreadable)
    assert (found.parent, found.parent_threads) == (None, ())


def test_a_process_that_has_gone_has_no_lineage(tree: ProcTree) -> None:
    tree.add(CHILD)
    process = tree.id(CHILD)
    tree.remove(CHILD)
    assert isinstance(lineage(tree.scanned(), process), Unreadable)
