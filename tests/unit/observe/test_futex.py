"""Who ends a futex wait: threads of the same memory; an errorcheck or recursive mutex its owner alone, or nobody."""

from __future__ import annotations

import pytest

from hangprobe.model import Mutex, ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.procfs import parse_call
from hangprobe.observe.waits import futex
from hangprobe.observe.waits.shapes import Shape, shape
from hangprobe.observe.world import World

from .tree import ARCH, WORD, ProcTree, Thread, mutex, on_futex, working

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
    return futex.resolve(ThreadId(process, pid), found, seen)


def waits(found: Wait | Unreadable) -> Wait:
    assert isinstance(found, Wait), found
    return found


def tids(found: Wait | Unreadable) -> set[int]:
    return {waker.tid for waker in waits(found).wakers}


def fork(tree: ProcTree, child: Thread = ON_MUTEX, *beside: Thread) -> None:
    """Make a parent with two threads and a child that it forked."""
    tree.add(PARENT, [working(), working()])
    tree.add(CHILD, [child, *beside], parent=PARENT, is_forked=True)


# private futexes


def test_nobody_wakes_the_only_thread_of_a_process(tree: ProcTree) -> None:
    fork(tree, on_futex())
    assert resolved(tree, on_futex()) == Wait(WaitKind.FUTEX_PRIVATE, LOCK, frozenset())


def test_the_other_threads_of_the_process_wake_a_private_futex(tree: ProcTree) -> None:
    fork(tree, on_futex(), working(), working())
    assert tids(resolved(tree, on_futex())) == {CHILD + 1, CHILD + 2}


def test_a_time_out_ends_the_wait(tree: ProcTree) -> None:
    timed = on_futex(timeout=0x7FFE0000)
    fork(tree, timed)
    assert resolved(tree, timed) == Unreadable("futex", "waits with a time-out")


def test_threads_of_a_process_with_the_same_memory_wake_it_too(tree: ProcTree) -> None:
    fork(tree, on_futex())
    tree.add(OTHER, [working(), working()], parent=CHILD, is_forked=True)
    world = tree.scanned({frozenset({CHILD, OTHER}): True})
    assert tids(resolved(tree, on_futex(), world=world)) == {OTHER, OTHER + 1}


def test_only_a_process_with_the_same_start_of_stack_is_asked_about(tree: ProcTree) -> None:
    fork(tree, on_futex())
    tree.add(OTHER, [working()], parent=CHILD, is_forked=True, stack=0x6000_0000)
    world = tree.scanned({frozenset({CHILD, OTHER}): True})
    assert tids(resolved(tree, on_futex(), world=world)) == set()


def test_a_hidden_start_of_stack_is_no_reason_not_to_ask(tree: ProcTree) -> None:
    fork(tree, on_futex())
    tree.add(OTHER, [working()], parent=CHILD, is_forked=True, stack=0)
    world = tree.scanned({frozenset({CHILD, OTHER}): True})
    assert tids(resolved(tree, on_futex(), world=world)) == {OTHER}


def test_two_programs_that_have_both_execd_share_no_memory(tree: ProcTree) -> None:
    tree.add(CHILD, [on_futex()], stack=1)
    tree.add(OTHER, [working()], stack=1)
    world = tree.scanned({frozenset({CHILD, OTHER}): True})
    assert tids(resolved(tree, on_futex(), world=world)) == set()


@pytest.mark.parametrize("relation", ["child", "sibling"])
def test_where_the_kernel_does_not_say_a_relative_of_equal_size_is_unreadable(tree: ProcTree, relation: str) -> None:
    fork(tree, on_futex())
    parent = CHILD if relation == "child" else PARENT
    tree.add(OTHER, [working()], parent=parent, is_forked=True, stack=0)
    world = tree.scanned({frozenset({CHILD, OTHER}): None})
    found = resolved(tree, on_futex(), world=world)
    assert isinstance(found, Unreadable)
    assert found.why == "not permitted, and the two are related by fork"


def test_the_parent_itself_is_a_relative(tree: ProcTree) -> None:
    tree.add(PARENT, [working()], stack=0)
    tree.add(CHILD, [on_futex()], parent=PARENT, is_forked=True)
    world = tree.scanned({frozenset({CHILD, PARENT}): None})
    assert isinstance(resolved(tree, on_futex(), world=world), Unreadable)


def test_a_relative_of_another_size_has_another_memory(tree: ProcTree) -> None:
    fork(tree, on_futex())
    tree.add(OTHER, [working()], parent=CHILD, is_forked=True, stack=0, vsize=4096)
    world = tree.scanned({frozenset({CHILD, OTHER}): None})
    assert tids(resolved(tree, on_futex(), world=world)) == set()


def test_a_stranger_about_whom_the_kernel_does_not_say_is_no_relative(tree: ProcTree) -> None:
    fork(tree, on_futex())
    tree.add(OTHER, [working()], is_forked=True, stack=0)
    world = tree.scanned({frozenset({CHILD, OTHER}): None})
    assert tids(resolved(tree, on_futex(), world=world)) == set()


def test_a_relative_whose_size_cannot_be_read_is_unreadable(tree: ProcTree) -> None:
    fork(tree, on_futex())
    tree.add(OTHER, [working()], parent=CHILD, is_forked=True, stack=0)
    world = tree.scanned({frozenset({CHILD, OTHER}): None})
    (tree.root / str(OTHER) / "stat").unlink()
    assert isinstance(resolved(tree, on_futex(), world=world), Unreadable)


@pytest.mark.parametrize("state", ["Z", "X"])
def test_what_has_ended_shares_no_memory(tree: ProcTree, state: str) -> None:
    fork(tree, on_futex())
    tree.add(OTHER, [working()], parent=CHILD, is_forked=True, stack=0, state=state)
    world = tree.scanned({frozenset({CHILD, OTHER}): True})
    assert tids(resolved(tree, on_futex(), world=world)) == set()


# shared operations


def test_a_shared_operation_on_private_memory_is_private(tree: ProcTree) -> None:
    joining = on_futex(operation=0x109)
    fork(tree, joining, working())
    assert resolved(tree, joining) == Wait(
        WaitKind.FUTEX_PRIVATE, LOCK, frozenset({ThreadId(tree.id(CHILD), CHILD + 1)})
    )


@pytest.mark.parametrize(
    "mapping",
    [
        "00010000-00020000 rw-s 00000000 00:01 77                         /dev/shm/sem.x (deleted)",
        "00010000-00020000 r--p 00000000 fe:00 77                         /opt/app/lib/libc.so.6",
        "00020000-00030000 rw-p 00000000 00:00 0 ",
        "not a mapping",
    ],
    ids=["shared", "read-only", "elsewhere", "damaged"],
)
def test_a_shared_operation_on_anything_else_is_unreadable(tree: ProcTree, mapping: str) -> None:
    shared = on_futex(operation=0x109)
    tree.add(CHILD, [shared], maps=[mapping])
    assert isinstance(resolved(tree, shared), Unreadable)


def test_the_memory_map_is_read_through_a_living_thread(tree: ProcTree) -> None:
    shared = on_futex(operation=0x109)
    tree.add(CHILD, [Thread(state="Z"), shared])
    tree.write(f"{CHILD}/task/{CHILD}/maps", "")
    assert tids(resolved(tree, shared)) == {CHILD + 1}


def test_an_empty_memory_map_is_unreadable(tree: ProcTree) -> None:
    shared = on_futex(operation=0x109)
    tree.add(CHILD, [shared])
    tree.write(f"{CHILD}/task/{CHILD}/maps", "")
    assert resolved(tree, shared) == Unreadable(f"{CHILD}/maps", "empty")


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


def test_tids_below_another_pid_namespace_name_no_mutex(tree: ProcTree) -> None:
    tree.add(PARENT, [working(), working()])
    tree.add(CHILD, [ON_MUTEX, working()], parent=PARENT, is_forked=True, namespaces=f"{CHILD}\t1")
    tree.remember(CHILD, WORD, mutex(PARENT))
    found = waits(resolved(tree))
    assert (found.mutex, tids(found)) == (None, {CHILD + 1})


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
