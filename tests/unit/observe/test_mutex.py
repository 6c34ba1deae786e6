"""A futex that is part of a pthread mutex: of the errorcheck and recursive kinds its owner alone ends the wait."""

from __future__ import annotations

import pytest

from hangprobe.model import Mutex, ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.holders import Holders
from hangprobe.observe.procfs import parse_call
from hangprobe.observe.waits import futex
from hangprobe.observe.waits.shapes import Shape, shape
from hangprobe.observe.world import World

from .calls import WORD, Thread, on_futex, working
from .tree import ARCH, ProcTree, mutex

PARENT, CHILD, OTHER = 100, 200, 300
ON_MUTEX = on_futex(WORD, 0x80, 2)
LOCK = f"{WORD:#x}"


def resolved(
    tree: ProcTree, thread: Thread = ON_MUTEX, pid: int = CHILD, world: World | None = None
) -> Wait | Unreadable:
    """Return what the main thread of `pid` waits for."""
    seen = world or tree.scanned()
    words = parse_call(thread.syscall)
    assert not isinstance(words, Unreadable)
    found = shape(words, thread.wchan, ARCH)
    assert isinstance(found, Shape)
    process = seen.process(pid)
    assert process is not None
    return futex.resolve(ThreadId(process, pid), found, Holders(seen))


def waits(found: Wait | Unreadable) -> Wait:
    assert isinstance(found, Wait), found
    return found


def tids(found: Wait | Unreadable) -> set[int]:
    return {waker.tid for waker in waits(found).wakers}


def fork(tree: ProcTree, child: Thread = ON_MUTEX, *beside: Thread) -> None:
    """Make a parent with two threads and a child that it forked."""
    tree.add(PARENT, [working(), working()])
    tree.add(CHILD, [child, *beside], parent=PARENT, is_forked=True)


# mutexes


def test_an_errorcheck_mutex_of_another_own_thread_is_waited_for_that_thread_alone(tree: ProcTree) -> None:
    fork(tree, ON_MUTEX, working(), working())
    tree.remember(CHILD, WORD, mutex(CHILD + 1))
    owner = ThreadId(tree.id(CHILD), CHILD + 1)
    assert resolved(tree) == Wait(WaitKind.MUTEX, LOCK, frozenset({owner}), Mutex("errorcheck", CHILD + 1))


def test_a_recursive_mutex_of_another_own_thread_is_waited_for_that_thread_alone(tree: ProcTree) -> None:
    fork(tree, ON_MUTEX, working(), working())
    tree.remember(CHILD, WORD, mutex(CHILD + 2, kind=1, count=1))
    owner = ThreadId(tree.id(CHILD), CHILD + 2)
    assert resolved(tree) == Wait(WaitKind.MUTEX, LOCK, frozenset({owner}), Mutex("recursive", CHILD + 2))


@pytest.mark.parametrize(("kind", "name"), [(0, "normal"), (3, "adaptive"), (0x100, "normal")])
def test_a_normal_mutex_may_be_unlocked_by_any_thread(tree: ProcTree, kind: int, name: str) -> None:
    fork(tree, ON_MUTEX, working(), working())
    tree.remember(CHILD, WORD, mutex(CHILD + 1, kind=kind))
    found = waits(resolved(tree))
    assert (found.kind, tids(found)) == (WaitKind.FUTEX_PRIVATE, {CHILD + 1, CHILD + 2})
    assert found.mutex == Mutex(name, CHILD + 1)


@pytest.mark.parametrize("owner", [PARENT, PARENT + 1])
def test_a_mutex_of_a_thread_of_the_fork_parent_is_unlocked_by_nobody(tree: ProcTree, owner: int) -> None:
    fork(tree, ON_MUTEX, working())
    tree.remember(CHILD, WORD, mutex(owner))
    assert resolved(tree) == Wait(WaitKind.MUTEX, LOCK, frozenset(), Mutex("errorcheck", owner))


def test_a_mutex_of_a_thread_of_the_fork_grandparent_is_unlocked_by_nobody(tree: ProcTree) -> None:
    tree.add(OTHER, [working(), working()])
    tree.add(PARENT, [working()], parent=OTHER, is_forked=True)
    tree.add(CHILD, [ON_MUTEX, working()], parent=PARENT, is_forked=True)
    tree.remember(CHILD, WORD, mutex(OTHER + 1))
    assert tids(resolved(tree)) == set()


def test_an_ancestor_behind_an_exec_is_no_fork_ancestor(tree: ProcTree) -> None:
    tree.add(OTHER, [working(), working()])
    tree.add(PARENT, [working()], parent=OTHER, is_forked=False)
    tree.add(CHILD, [ON_MUTEX, working()], parent=PARENT, is_forked=True)
    tree.remember(CHILD, WORD, mutex(OTHER + 1))
    assert tids(resolved(tree)) == {CHILD + 1}


def test_who_adopted_an_orphan_is_no_fork_ancestor(tree: ProcTree) -> None:
    tree.add(PARENT, [working(), working()], is_forked=True, stack=1)
    tree.add(CHILD, [ON_MUTEX, working()], parent=PARENT, is_forked=True, stack=2)
    tree.remember(CHILD, WORD, mutex(PARENT + 1))
    assert tids(resolved(tree)) == {CHILD + 1}


def test_a_mutex_whose_owner_is_nowhere_may_be_unlocked_by_any_thread(tree: ProcTree) -> None:
    fork(tree, ON_MUTEX, working())
    tree.remember(CHILD, WORD, mutex(4_000_000))
    assert tids(resolved(tree)) == {CHILD + 1}


def test_a_normal_mutex_of_a_thread_of_the_fork_parent_still_has_the_other_threads(tree: ProcTree) -> None:
    fork(tree, ON_MUTEX, working())
    tree.remember(CHILD, WORD, mutex(PARENT, kind=0))
    found = waits(resolved(tree))
    assert (found.kind, tids(found), found.mutex) == (
        WaitKind.FUTEX_PRIVATE,
        {CHILD + 1},
        Mutex("normal", PARENT),
    )


def test_a_mutex_held_by_the_waiting_thread_itself_narrows_nothing(tree: ProcTree) -> None:
    fork(tree, ON_MUTEX, working())
    tree.remember(CHILD, WORD, mutex(CHILD))
    assert tids(resolved(tree)) == {CHILD + 1}


def test_a_robust_mutex_is_taken_for_a_plain_futex(tree: ProcTree) -> None:
    fork(tree, ON_MUTEX, working(), working())
    tree.remember(CHILD, WORD, mutex(CHILD + 1, kind=0x12))
    found = waits(resolved(tree))
    assert (tids(found), found.mutex) == ({CHILD + 1, CHILD + 2}, None)


NO_MUTEX = {
    "lock word of an uncontended mutex": mutex(PARENT, lock=1),
    "owner 0": mutex(0),
    "owner beyond every TID": mutex(1 << 22),
    "owner of garbage": mutex(0xDEADBEEF),
    "no users": mutex(PARENT, users=0),
    "count of a mutex that is not recursive": mutex(PARENT, count=1),
    "recursive without a count": mutex(PARENT, kind=1),
    "priority inheritance": mutex(PARENT, kind=0x22),
    "priority protection": mutex(PARENT, kind=0x42),
    "process-shared": mutex(PARENT, kind=0x82),
    "no kind at all": mutex(PARENT, kind=77),
    "negative kind": mutex(PARENT, kind=-1),
    "end of the mapping": mutex(PARENT)[:12],
}


@pytest.mark.parametrize("what", NO_MUTEX)
def test_what_does_not_fit_in_every_field_is_no_mutex(tree: ProcTree, what: str) -> None:
    fork(tree, ON_MUTEX, working())
    tree.remember(CHILD, WORD, NO_MUTEX[what])
    assert resolved(tree) == Wait(WaitKind.FUTEX_PRIVATE, LOCK, frozenset({ThreadId(tree.id(CHILD), CHILD + 1)}))


def test_memory_that_cannot_be_read_holds_no_mutex(tree: ProcTree) -> None:
    fork(tree, ON_MUTEX)
    assert waits(resolved(tree)).mutex is None


@pytest.mark.parametrize("thread", [on_futex(WORD, 0x80, 1), on_futex(WORD, 0x189, 0), on_futex(WORD, 0x0, 2)])
def test_another_expected_value_or_a_shared_operation_is_no_mutex(tree: ProcTree, thread: Thread) -> None:
    fork(tree, thread)
    tree.remember(CHILD, WORD, mutex(PARENT))
    assert waits(resolved(tree, thread)).mutex is None


@pytest.mark.parametrize("address", [0, 1 << 63, (1 << 64) - 1])
def test_an_address_that_cannot_be_read_is_no_error(tree: ProcTree, address: int) -> None:
    fork(tree, on_futex(address, 0x80, 2))
    tree.remember(CHILD, WORD, mutex(PARENT))
    assert waits(resolved(tree, on_futex(address, 0x80, 2))).mutex is None


# PID namespaces: a mutex keeps the number by which its owner knew itself


def narrowed(tree: ProcTree) -> tuple[set[int], set[int] | None]:
    """Return the TIDs of the wakers, and of the owner where there is one."""
    found = waits(resolved(tree))
    return tids(found), None if found.owner is None else {owner.tid for owner in found.owner}


def test_an_owner_in_a_nested_namespace_is_known_by_its_own_number(tree: ProcTree) -> None:
    numbers = {CHILD: f"{CHILD}\t1", CHILD + 1: f"{CHILD + 1}\t2", CHILD + 2: f"{CHILD + 2}\t3"}
    tree.add(CHILD, [ON_MUTEX, working(), working()], namespaces=f"{CHILD}\t1", task_pids=numbers)
    tree.remember(CHILD, WORD, mutex(2))
    assert tids(resolved(tree)) == {CHILD + 1}


def test_the_number_by_which_this_proc_knows_a_thread_is_not_its_own(tree: ProcTree) -> None:
    numbers = {CHILD: f"{CHILD}\t1", CHILD + 1: f"{CHILD + 1}\t2"}
    tree.add(CHILD, [ON_MUTEX, working()], namespaces=f"{CHILD}\t1", task_pids=numbers)
    tree.remember(CHILD, WORD, mutex(CHILD + 1))
    found = waits(resolved(tree))
    assert (found.kind, found.owner) == (WaitKind.FUTEX_PRIVATE, None)


def test_a_lock_left_behind_by_a_fork_within_a_nested_namespace_is_unlocked_by_nobody(tree: ProcTree) -> None:
    numbers = {
        PARENT: f"{PARENT}\t5",
        PARENT + 1: f"{PARENT + 1}\t6",
        CHILD: f"{CHILD}\t7",
        CHILD + 1: f"{CHILD + 1}\t8",
    }
    tree.add(PARENT, [working(), working()], namespaces=f"{PARENT}\t5", task_pids=numbers)
    tree.add(CHILD, [ON_MUTEX, working()], parent=PARENT, is_forked=True, namespaces=f"{CHILD}\t7", task_pids=numbers)
    tree.remember(CHILD, WORD, mutex(6))
    assert tids(resolved(tree)) == set()


def test_after_a_fork_into_another_namespace_one_number_may_mean_two_threads(tree: ProcTree) -> None:
    # The parent's second thread calls itself 101; so does a thread of the child, in its namespace.
    numbers = {CHILD: f"{CHILD}\t1", CHILD + 1: f"{CHILD + 1}\t{PARENT + 1}"}
    tree.add(PARENT, [working(), working()])
    tree.add(
        *(CHILD, [ON_MUTEX, working(), working()]),
        parent=PARENT,
        is_forked=True,
        namespaces=f"{CHILD}\t1",
        task_pids=numbers | {CHILD + 2: f"{CHILD + 2}\t3"},
    )
    tree.remember(CHILD, WORD, mutex(PARENT + 1))
    assert narrowed(tree) == ({CHILD + 1, CHILD + 2}, None)


def test_an_owner_that_two_sharers_of_a_memory_both_claim_is_not_known(tree: ProcTree) -> None:
    tree.add(CHILD, [ON_MUTEX, working(), working()])
    tree.add(OTHER, [working()], parent=CHILD, is_forked=True, namespaces=f"{OTHER}\t{CHILD + 1}")
    tree.write(f"{OTHER}/task/{OTHER}/status", f"NSpid:\t{OTHER}\t{CHILD + 1}\n")
    tree.remember(CHILD, WORD, mutex(CHILD + 1))
    world = tree.scanned({frozenset({CHILD, OTHER}): True})
    assert tids(resolved(tree, world=world)) == {CHILD + 1, CHILD + 2, OTHER}


def test_the_waiter_itself_is_never_the_one_owner(tree: ProcTree) -> None:
    fork(tree, ON_MUTEX, working())
    tree.remember(CHILD, WORD, mutex(CHILD, kind=0))
    assert narrowed(tree) == ({CHILD + 1}, None)


@pytest.mark.parametrize("owner", [CHILD + 1, PARENT + 1])
def test_a_normal_mutex_names_its_owner_beside_its_wakers(tree: ProcTree, owner: int) -> None:
    fork(tree, ON_MUTEX, working(), working())
    tree.remember(CHILD, WORD, mutex(owner, kind=0))
    assert narrowed(tree) == ({CHILD + 1, CHILD + 2}, {owner} if owner > CHILD else set())


@pytest.mark.parametrize("namespaces", ["", "x"])
def test_where_the_numbers_of_the_waiter_cannot_be_read_no_owner_is_named(tree: ProcTree, namespaces: str) -> None:
    tree.add(CHILD, [ON_MUTEX, working()], namespaces=namespaces)
    tree.remember(CHILD, WORD, mutex(CHILD + 1))
    assert narrowed(tree) == ({CHILD + 1}, None)
