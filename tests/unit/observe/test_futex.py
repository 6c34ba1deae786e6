"""Who ends a futex wait: threads of the same memory; an errorcheck or recursive mutex its owner alone, or nobody."""

from __future__ import annotations

import pytest

from hangprobe.model import ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.holders import Holders
from hangprobe.observe.procfs import parse_call
from hangprobe.observe.waits import futex
from hangprobe.observe.waits.shapes import Shape, shape
from hangprobe.observe.world import World

from .calls import WORD, Thread, on_futex, working
from .tree import ARCH, ProcTree

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
