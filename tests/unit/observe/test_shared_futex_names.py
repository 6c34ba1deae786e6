"""A wait on a futex in shared memory can be ended by whoever can still come to have it: by a name, by a descriptor."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from hangprobe.model import Unreadable
from hangprobe.observe.waits import sharedfutex

from .calls import working
from .opened import opened
from .sharing import ANONYMOUS, INODE, MEMFD, OTHER, SEMAPHORE, WAITER, elsewhere, mapped, resolved, tids, waiter, why
from .tree import ProcTree

# who could come to have it


@pytest.mark.parametrize("path", ["/dev/shm/sem.mp-abc", "/scratch/shared.bin", "", "/memfd:lock"])
def test_memory_that_has_a_name_is_everybodys(tree: ProcTree, path: str) -> None:
    waiter(tree, path)
    assert "by name" in why(resolved(tree))


def test_a_system_v_segment_is_everybodys(tree: ProcTree) -> None:
    waiter(tree, "/SYSV0000002a (deleted)")
    assert "System V" in why(resolved(tree))


@pytest.mark.parametrize("path", ["/scratch/x (deleted)", "/scratch/me/x (deleted)", "/dev/shm/a/b (deleted)"])
def test_a_deleted_file_elsewhere_may_have_another_name(tree: ProcTree, path: str) -> None:
    waiter(tree, path)
    assert "another name" in why(resolved(tree))


def test_a_deleted_name_that_still_exists_by_another_is_everybodys(tree: ProcTree) -> None:
    # glibc's sem_open: made under a temporary name, linked to its own, and the temporary one removed.
    waiter(tree, names=["sem.real"])
    inode = (tree.root / f"{WAITER}/root/dev/shm/sem.real").stat().st_ino
    tree.write(f"{WAITER}/task/{WAITER}/maps", mapped(inode=inode) + "\n")
    assert why(resolved(tree)) == "it still has a name in /dev/shm/, by which others may open it"


def test_other_names_in_the_folder_are_not_its_own(tree: ProcTree) -> None:
    waiter(tree, names=["sem.other", "psm_1"])
    assert tids(resolved(tree)) == set()


def test_a_folder_that_cannot_be_read_may_have_its_name(tree: ProcTree) -> None:
    waiter(tree)
    (tree.root / f"{WAITER}/root/dev/shm").rmdir()
    assert why(resolved(tree)) == f"{WAITER}/root/dev/shm/: gone"


def test_a_folder_that_does_not_answer_may_have_its_name(tree: ProcTree) -> None:
    waiter(tree)
    world = tree.scanned()
    words = world.maps(WAITER)
    assert not isinstance(words, Unreadable)
    world.reader.late.add(WAITER)
    assert "late before" in why(resolved(tree, world))


def test_a_folder_with_folders_in_it_is_not_looked_through(tree: ProcTree) -> None:
    waiter(tree)
    (tree.root / f"{WAITER}/root/dev/shm/deeper").mkdir()
    assert "not looked through" in why(resolved(tree))


def test_a_folder_with_very_many_names_is_not_looked_through(tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    waiter(tree, names=["a", "b", "c"])
    monkeypatch.setattr(sharedfutex, "FOLDER_MAX", 1)
    assert "very many" in why(resolved(tree))


@pytest.mark.parametrize("path", [ANONYMOUS, MEMFD])
def test_anonymous_memory_and_memfds_have_no_name_to_look_for(tree: ProcTree, path: str) -> None:
    waiter(tree, path)
    (tree.root / f"{WAITER}/root/dev/shm").rmdir()
    tree.add(OTHER, [working()], maps=[elsewhere(path)])
    assert tids(resolved(tree)) == {OTHER}


# descriptors, by which it could be mapped anew


def holding(
    tree: ProcTree, monkeypatch: pytest.MonkeyPatch, path: str, inode: int | OSError, mode: int = 0o100600
) -> None:
    """Make a process that has the memory as a descriptor only; what stat(2) says of that is made up."""
    tree.add(OTHER, [working()], links={5: opened(path)})
    truth = os.stat

    def answer(asked: str | int | Path, **more: bool) -> object:
        if str(asked) != f"{tree.root}/{OTHER}/task/{OTHER}/fd/5":
            return truth(asked, **more)
        if isinstance(inode, OSError):
            raise inode
        return SimpleNamespace(st_ino=inode, st_mode=mode)

    monkeypatch.setattr(os, "stat", answer)


@pytest.mark.parametrize("path", [MEMFD, SEMAPHORE])
def test_who_has_the_memory_as_a_descriptor_only_could_map_it(
    tree: ProcTree, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    waiter(tree, path)
    holding(tree, monkeypatch, path, INODE)
    assert tids(resolved(tree)) == {OTHER}


def test_another_memfd_of_the_same_name_is_another_memory(tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    waiter(tree, MEMFD)
    holding(tree, monkeypatch, MEMFD, INODE + 1)
    assert tids(resolved(tree)) == set()


def test_a_descriptor_that_was_closed_meanwhile_maps_nothing(tree: ProcTree, monkeypatch: pytest.MonkeyPatch) -> None:
    waiter(tree, MEMFD)
    holding(tree, monkeypatch, MEMFD, FileNotFoundError(2, "?"))
    assert tids(resolved(tree)) == set()


def test_a_descriptor_that_may_not_be_asked_about_makes_the_wait_live(
    tree: ProcTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiter(tree, MEMFD)
    holding(tree, monkeypatch, MEMFD, PermissionError(13, "?"))
    assert why(resolved(tree)) == "not permitted"


def test_who_has_the_memory_as_a_descriptor_under_another_name_could_map_it(
    tree: ProcTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The waiter came by glibc's temporary name, the other one opened the real name; both are gone now.
    waiter(tree, "/dev/shm/sem.QWERTY (deleted)")
    holding(tree, monkeypatch, "/dev/shm/sem.real (deleted)", INODE)
    assert tids(resolved(tree)) == {OTHER}


def test_one_whose_descriptors_may_not_be_read_may_have_the_memory(tree: ProcTree) -> None:
    waiter(tree, MEMFD)
    tree.add(OTHER, [working()])
    tree.refuse(f"{OTHER}/task/{OTHER}/fd")
    assert why(resolved(tree)) == f"pid {OTHER} may have it: not permitted"
