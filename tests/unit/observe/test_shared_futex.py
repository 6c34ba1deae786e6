"""Who ends a wait on a futex in shared memory: all who have the memory."""

from __future__ import annotations

import pytest

from hangprobe.model import Assumption, Unreadable, Wait, WaitKind
from hangprobe.observe.census import Scope

from .calls import WORD, Thread, on_futex, working
from .sharing import (
    INODE,
    MEMFD,
    OTHER,
    SEMAPHORE,
    THIRD,
    WAITER,
    WAITING,
    elsewhere,
    mapped,
    resolved,
    tids,
    waiter,
    why,
)
from .tree import HEAP, ProcTree, seen

OLD, ROOT = 40, 50


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
