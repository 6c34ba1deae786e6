"""Who ends a wait on a futex in shared memory: all who have the memory, if nobody else can come to have it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest

from hangprobe.model import Assumption, ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.census import Scope
from hangprobe.observe.holders import Holders
from hangprobe.observe.procfs import parse_call
from hangprobe.observe.waits import futex, sharedfutex
from hangprobe.observe.waits.shapes import Shape, shape
from hangprobe.observe.world import World

from .calls import WORD, Thread, on_futex, working
from .opened import opened
from .tree import ARCH, HEAP, ProcTree, seen

OLD, ROOT, WAITER, OTHER, THIRD = 40, 50, 100, 200, 300
WAITING = on_futex(WORD + 0x20, 0x109)
SEMAPHORE = "/dev/shm/sem.mp-abc (deleted)"
MEMFD = "/memfd:lock (deleted)"
ANONYMOUS = "/dev/zero (deleted)"
INODE = 77


def mapped(path: str = SEMAPHORE, permissions: str = "rw-s", device: str = "00:1a", inode: int = INODE) -> str:
    return f"00010000-00011000 {permissions} 00000000 {device} {inode}                         {path}"


def elsewhere(path: str = SEMAPHORE, inode: int = INODE, device: str = "00:1a") -> str:
    """Return the same memory at another address."""
    return f"7f5500000000-7f5500001000 rw-s 00000000 {device} {inode}                         {path}"


def waiter(tree: ProcTree, path: str = SEMAPHORE, names: Iterable[str] = ()) -> None:
    """Make a process that waits in shared memory, and the `/dev/shm` that it sees."""
    tree.add(WAITER, [WAITING], maps=[mapped(path)])
    folder = tree.root / f"{WAITER}/root/dev/shm"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()


def resolved(tree: ProcTree, world: World | None = None, thread: Thread = WAITING) -> Wait | Unreadable:
    words = parse_call(thread.syscall)
    assert not isinstance(words, Unreadable)
    found = shape(words, thread.wchan, ARCH)
    assert isinstance(found, Shape)
    return futex.resolve(ThreadId(tree.id(WAITER), WAITER), found, Holders(world or tree.scanned()))


def tids(found: Wait | Unreadable) -> set[int]:
    assert isinstance(found, Wait), found
    assert found.kind is WaitKind.FUTEX_SHARED
    return {waker.tid for waker in found.wakers}


def why(found: Wait | Unreadable) -> str:
    assert isinstance(found, Unreadable), found
    return found.why


# who has the memory


def test_the_threads_of_every_process_that_maps_the_memory_end_the_wait(tree: ProcTree) -> None:
    waiter(tree)
    tree.add(OTHER, [working(), working()], maps=[HEAP, elsewhere()])
    tree.add(THIRD, [working()], maps=[HEAP, elsewhere(inode=78), elsewhere(device="00:1b")])
    found = resolved(tree)
    assert tids(found) == {OTHER, OTHER + 1}
    assert isinstance(found, Wait)
    assert (found.object, found.assumes) == (f"0x20 in {SEMAPHORE} (inode {INODE})", ())


def test_memory_that_nobody_else_has_is_unlocked_by_nobody(tree: ProcTree) -> None:
    waiter(tree)
    tree.add(OTHER, [working()])
    assert tids(resolved(tree)) == set()


def test_the_other_threads_of_the_waiter_have_its_memory(tree: ProcTree) -> None:
    waiter(tree)
    tree.remove(WAITER)
    tree.add(WAITER, [WAITING, working()], maps=[mapped()])
    (tree.root / f"{WAITER}/root/dev/shm").mkdir(parents=True)
    assert tids(resolved(tree)) == {WAITER + 1}


def test_the_memory_is_the_same_under_another_name(tree: ProcTree) -> None:
    waiter(tree)
    tree.add(OTHER, [working()], maps=[elsewhere("/dev/shm/sem.QWERTY (deleted)")])
    assert tids(resolved(tree)) == {OTHER}


def test_a_process_whose_map_may_not_be_read_may_have_the_memory(tree: ProcTree) -> None:
    waiter(tree)
    tree.add(OTHER, [working()], maps=[HEAP])
    tree.refuse(f"{OTHER}/task/{OTHER}/maps")
    assert why(resolved(tree)) == f"pid {OTHER} may have it: not permitted"


def test_a_process_whose_map_was_late_may_have_the_memory(tree: ProcTree) -> None:
    waiter(tree)
    tree.add(OTHER, [working()])
    world = tree.scanned()
    world.reader.late.add(OTHER)
    assert why(resolved(tree, world)) == f"pid {OTHER} may have it: late before, not asked again"


def test_a_process_that_has_gone_has_no_memory(tree: ProcTree) -> None:
    waiter(tree)
    tree.add(OTHER, [working()])
    tree.refuse(f"{OTHER}/task/{OTHER}/maps", "gone")
    assert tids(resolved(tree)) == set()


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_process_that_has_ended_has_no_memory(tree: ProcTree, state: str) -> None:
    waiter(tree)
    tree.add(OTHER, [Thread(state=state)], state=state)
    tree.refuse(f"{OTHER}/task/{OTHER}/maps", "Input/output error")
    assert tids(resolved(tree)) == set()


def test_a_process_whose_main_thread_has_left_still_has_its_memory(tree: ProcTree) -> None:
    waiter(tree)
    tree.add(OTHER, [Thread(state="Z"), working()], state="Z", maps=[elsewhere()])
    tree.write(f"{OTHER}/task/{OTHER}/maps", "")
    assert tids(resolved(tree)) == {OTHER, OTHER + 1}


def test_a_process_whose_main_thread_has_left_may_have_the_memory_if_its_map_was_late(tree: ProcTree) -> None:
    waiter(tree)
    tree.add(OTHER, [Thread(state="Z"), working()], state="Z", maps=[elsewhere()])
    world = tree.scanned()
    world.reader.late.add(OTHER)
    assert isinstance(resolved(tree, world), Unreadable)


def test_a_process_without_memory_has_none(tree: ProcTree) -> None:
    waiter(tree)
    tree.add(OTHER, [working()], maps=[])
    assert tids(resolved(tree)) == set()


def test_what_is_assumed_of_the_holders_is_assumed_of_the_wait(tree: ProcTree) -> None:
    tree.add(OLD)
    tree.refuse(f"{OLD}/task/{OLD}/maps")
    tree.refuse(f"{OLD}/task/{OLD}/fd")
    tree.add(ROOT)
    waiter(tree, MEMFD)
    tree.remove(WAITER)
    tree.add(WAITER, [WAITING], parent=ROOT, maps=[mapped(MEMFD)])
    tree.scope = Scope(tree.id(ROOT))
    found = resolved(tree)
    assert isinstance(found, Wait)
    assert found.assumes == (Assumption.A1,)


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


# what is no shared memory


@pytest.mark.parametrize("permissions", ["r--p", "r-xp", "---p"])
def test_a_read_only_private_mapping_is_decided_by_its_file(tree: ProcTree, permissions: str) -> None:
    tree.add(WAITER, [WAITING], maps=[mapped("/opt/app/lib/libc.so.6", permissions)])
    assert "private and read-only" in why(resolved(tree))


def test_a_private_operation_on_shared_memory_is_the_waiters_own(tree: ProcTree) -> None:
    waiter(tree)
    tree.add(OTHER, [working()], maps=[elsewhere()])
    found = resolved(tree, thread=on_futex(WORD + 0x20, 0x189))
    assert isinstance(found, Wait)
    assert (found.kind, found.wakers) == (WaitKind.FUTEX_PRIVATE, frozenset())


def test_a_collect_shows_the_wait(tree: ProcTree) -> None:
    waiter(tree)
    view = seen(tree)
    assert view.wait == Wait(WaitKind.FUTEX_SHARED, f"0x20 in {SEMAPHORE} (inode {INODE})", frozenset())
    assert view.live is None
