"""Who can end a wait for children: the threads of those waited for."""

from __future__ import annotations

import pytest

from hangprobe.model import ThreadView, WaitKind
from hangprobe.observe.snapshot import collect

from .calls import Thread, in_wait4, in_waitid, on_futex, working
from .opened import Open, pidfd
from .tree import ProcTree, seen

PARENT, CHILD, OTHER, GRANDCHILD = 100, 200, 300, 400


def tids(view: ThreadView) -> set[int]:
    assert view.wait is not None, view.live
    assert (view.wait.kind, view.live) == (WaitKind.CHILD, None)
    return {waker.tid for waker in view.wait.wakers}


def family(
    tree: ProcTree, main: Thread, *beside: Thread, links: dict[int, str | Open] | None = None, **more: str
) -> None:
    """Make a process with a child of two threads."""
    tree.add(PARENT, [main, *beside], links=links, **more)  # type: ignore[arg-type]
    tree.add(CHILD, [on_futex(), on_futex()], parent=PARENT, is_forked=True)


# one child


@pytest.mark.parametrize("main", [in_wait4(CHILD), in_waitid(1, CHILD)], ids=["wait4", "waitid"])
def test_a_wait_for_one_child_ends_by_the_threads_of_that_child(tree: ProcTree, main: Thread) -> None:
    family(tree, main, working())
    tree.add(OTHER, [working()], parent=PARENT)
    view = seen(tree)
    assert tids(view) == {CHILD, CHILD + 1}
    assert view.wait is not None
    assert view.wait.object == f"pid {CHILD}"


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_child_that_has_ended_ends_the_wait(tree: ProcTree, state: str) -> None:
    tree.add(PARENT, [in_wait4(CHILD)])
    tree.add(CHILD, [Thread(state=state)], parent=PARENT, state=state)
    assert seen(tree).live == f"wait: pid {CHILD} has ended: the wait will too"


def test_a_wait_for_a_process_that_is_no_child_is_live(tree: ProcTree) -> None:
    tree.add(PARENT, [in_wait4(OTHER)])
    tree.add(OTHER, [working()])
    assert seen(tree).live == f"wait: pid {OTHER} is not a child of pid {PARENT}"


def test_a_wait_for_a_process_that_is_not_to_be_seen_is_live(tree: ProcTree) -> None:
    tree.add(PARENT, [in_wait4(OTHER)])
    assert seen(tree).live == f"wait: pid {OTHER} is not to be seen"


@pytest.mark.parametrize("main", [in_wait4(CHILD), in_wait4(-1)], ids=["one", "any"])
def test_a_child_whose_list_of_threads_is_empty_is_unreadable(tree: ProcTree, main: Thread) -> None:
    tree.add(PARENT, [main])
    tree.add(CHILD, [], parent=PARENT)
    assert seen(tree).wait is None


# any child


ANY = {
    "-1": in_wait4(-1),
    "0": in_wait4(0),
    "a group": in_wait4(-77),
    "P_ALL": in_waitid(0),
    "P_PGID": in_waitid(2, 77),
}


@pytest.mark.parametrize("kind", ANY)
def test_a_wait_for_any_child_ends_by_all_descendants_and_its_own_threads(tree: ProcTree, kind: str) -> None:
    family(tree, ANY[kind], working())
    tree.add(GRANDCHILD, [working()], parent=CHILD)
    assert tids(seen(tree)) == {PARENT + 1, CHILD, CHILD + 1, GRANDCHILD}


def test_a_wait_for_any_child_ends_by_what_the_process_traces(tree: ProcTree) -> None:
    family(tree, in_wait4(-1))
    tree.add(OTHER, [working()], tracer=PARENT)
    assert tids(seen(tree)) == {CHILD, CHILD + 1, OTHER}


def test_a_wait_for_any_child_ends_by_who_shares_its_memory(tree: ProcTree) -> None:
    family(tree, in_wait4(-1))
    tree.add(OTHER, [working()], is_forked=True, stack=0x7000_0000 + PARENT)
    world = tree.world({frozenset({PARENT, OTHER}): True})
    snapshot = collect(world, [tree.id(PARENT)], is_second=False)
    assert tids(snapshot.processes[0].threads[0]) == {CHILD, CHILD + 1, OTHER}


def test_one_descendant_that_has_ended_makes_the_wait_live(tree: ProcTree) -> None:
    family(tree, in_wait4(-1))
    tree.add(GRANDCHILD, [Thread(state="Z")], parent=CHILD, state="Z")
    assert seen(tree).live == f"wait: pid {GRANDCHILD} has ended: the wait will too"


@pytest.mark.parametrize("kind", ANY)
def test_a_wait_for_children_where_none_is_to_be_seen_is_live(tree: ProcTree, kind: str) -> None:
    tree.add(PARENT, [ANY[kind]])
    assert seen(tree).live == "wait: waits for children, and none is to be seen"


# PID namespaces: the call has the number that the waiter knows its child by


def test_a_child_is_known_by_the_number_that_its_parent_calls_it(tree: ProcTree) -> None:
    tree.add(PARENT, [in_wait4(7)], namespaces=f"{PARENT}\t1")
    tree.add(OTHER, [working()], parent=PARENT, namespaces=f"{OTHER}\t8")
    tree.add(CHILD, [working()], parent=PARENT, namespaces=f"{CHILD}\t7\t1")
    view = seen(tree)
    assert (tids(view), view.wait and view.wait.object) == ({CHILD}, f"pid {CHILD}")


def test_the_number_of_another_namespace_is_not_that_of_this_proc(tree: ProcTree) -> None:
    # The waiter calls its own child 300; 300 in this /proc is a process of somebody else.
    tree.add(PARENT, [in_wait4(OTHER)], namespaces=f"{PARENT}\t1")
    tree.add(OTHER, [working()], parent=PARENT, namespaces=f"{OTHER}\t7")
    tree.add(CHILD, [working()], parent=PARENT, namespaces=f"{CHILD}\t{OTHER}")
    assert tids(seen(tree)) == {CHILD}


@pytest.mark.parametrize("namespaces", ["", "x", "1 x"])
def test_a_waiter_whose_pid_namespace_cannot_be_read_is_live(tree: ProcTree, namespaces: str) -> None:
    family(tree, in_wait4(CHILD), namespaces=namespaces)
    assert seen(tree).live == f"wait: the PID namespace of pid {PARENT} cannot be read"


def test_a_child_whose_pid_namespace_cannot_be_read_may_be_the_one(tree: ProcTree) -> None:
    tree.add(PARENT, [in_wait4(7)], namespaces=f"{PARENT}\t1")
    tree.add(CHILD, [working()], parent=PARENT, namespaces="x")
    tree.add(OTHER, [working()], parent=PARENT, namespaces=f"{OTHER}\t7")
    assert seen(tree).live == f"wait: the PID namespace of pid {CHILD} cannot be read"


def test_a_waiter_in_a_namespace_that_has_no_such_child_is_live(tree: ProcTree) -> None:
    tree.add(PARENT, [in_wait4(7)], namespaces=f"{PARENT}\t1")
    tree.add(CHILD, [working()], parent=PARENT, namespaces=f"{CHILD}\t8")
    assert seen(tree).live == f"wait: pid {PARENT} has no child that it would call 7"


def test_a_child_that_has_no_number_where_its_parent_lives_is_not_taken_for_another(tree: ProcTree) -> None:
    tree.add(PARENT, [in_wait4(CHILD)], namespaces=f"{PARENT}\t1")
    tree.add(CHILD, [working()], parent=PARENT)
    assert seen(tree).wait is None


def test_a_wait_for_any_child_needs_no_numbers(tree: ProcTree) -> None:
    family(tree, in_wait4(-1), namespaces=f"{PARENT}\t1")
    assert tids(seen(tree)) == {CHILD, CHILD + 1}


# a main thread that has left by pthread_exit


@pytest.mark.parametrize("main", [in_wait4(CHILD), in_wait4(-1)], ids=["one", "any"])
def test_a_child_whose_main_thread_has_left_ends_by_its_other_threads(tree: ProcTree, main: Thread) -> None:
    tree.add(PARENT, [main])
    tree.add(CHILD, [Thread(state="Z"), working()], parent=PARENT, state="Z")
    assert tids(seen(tree)) == {CHILD, CHILD + 1}


@pytest.mark.parametrize("count", [0, 1])
def test_a_child_of_which_no_other_thread_is_left_has_ended(tree: ProcTree, count: int) -> None:
    tree.add(PARENT, [in_wait4(CHILD)])
    tree.add(CHILD, [Thread(state="Z")], parent=PARENT, state="Z", thread_count=count)
    assert seen(tree).live == f"wait: pid {CHILD} has ended: the wait will too"


# pidfds


@pytest.mark.parametrize("link", ["anon_inode:[pidfd]", "pidfd:[4242]"])
def test_waitid_on_a_pidfd_ends_by_the_threads_of_its_process(tree: ProcTree, link: str) -> None:
    family(tree, in_waitid(3, 5), links={5: pidfd(CHILD, link)})
    assert tids(seen(tree)) == {CHILD, CHILD + 1}


@pytest.mark.parametrize("named", ["-1", "0", "", "x"])
def test_a_pidfd_that_names_no_process_makes_the_wait_live(tree: ProcTree, named: str) -> None:
    family(tree, in_waitid(3, 5), links={5: pidfd(named)})
    assert seen(tree).live == "pidfd: descriptor 5 names no process"


@pytest.mark.parametrize("link", ["pipe:[99]", "anon_inode:[eventfd]", "socket:[7]"])
def test_a_descriptor_that_is_no_pidfd_makes_the_wait_live(tree: ProcTree, link: str) -> None:
    family(tree, in_waitid(3, 5), links={5: pidfd(CHILD, link)})
    assert seen(tree).live == f"pidfd: descriptor 5 is {link}, no pidfd"


def test_a_descriptor_that_is_not_there_makes_the_wait_live(tree: ProcTree) -> None:
    family(tree, in_waitid(3, 6), links={5: pidfd(CHILD)})
    assert seen(tree).wait is None


def test_a_pidfd_of_a_process_that_is_no_child_makes_the_wait_live(tree: ProcTree) -> None:
    family(tree, in_waitid(3, 5), links={5: pidfd(OTHER)})
    tree.add(OTHER, [working()])
    assert seen(tree).live == f"wait: pid {OTHER} is not a child of pid {PARENT}"


def test_a_pidfd_is_one_of_the_threads_own_table(tree: ProcTree) -> None:
    tree.add(
        PARENT, [in_waitid(3, 5), in_waitid(3, 5)], tables={PARENT + 1: {5: pidfd(OTHER)}}, links={5: pidfd(CHILD)}
    )
    tree.add(CHILD, [working()], parent=PARENT)
    tree.add(OTHER, [working()], parent=PARENT)
    assert (tids(seen(tree)), tids(seen(tree, tid=PARENT + 1))) == ({CHILD}, {OTHER})
