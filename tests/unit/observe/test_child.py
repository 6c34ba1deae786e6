"""Who can end a wait for children, and why a process as a whole may have to be taken for live."""

from __future__ import annotations

import struct

import pytest

from hangprobe.model import ThreadView, WaitKind
from hangprobe.observe.snapshot import collect

from .tree import (
    WORD,
    ProcTree,
    Thread,
    asleep,
    call,
    in_epoll,
    in_poll,
    in_wait4,
    in_waitid,
    on_futex,
    working,
)

PARENT, CHILD, OTHER, GRANDCHILD = 100, 200, 300, 400


def seen(tree: ProcTree, pid: int = PARENT, tid: int | None = None) -> ThreadView:
    """Return a thread as one collect of its process shows it."""
    snapshot = collect(tree.world(), [tree.id(pid)], is_second=False)
    views = {thread.id.tid: thread for process in snapshot.processes for thread in process.threads}
    return views[pid if tid is None else tid]


def tids(view: ThreadView) -> set[int]:
    assert view.wait is not None, view.live
    assert (view.wait.kind, view.live) == (WaitKind.CHILD, None)
    return {waker.tid for waker in view.wait.wakers}


def family(tree: ProcTree, main: Thread, *beside: Thread, links: dict[int, str] | None = None, **more: str) -> None:
    """Make a process with a child of two threads."""
    tree.add(PARENT, [main, *beside], links=links, **more)  # type: ignore[arg-type]
    tree.add(CHILD, [on_futex(), on_futex()], parent=PARENT, is_forked=True)


def pidfd(tree: ProcTree, number: int, pid: int) -> None:
    tree.write(
        f"{PARENT}/fdinfo/{number}", f"pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t9\nPid:\t{pid}\nNSpid:\t{pid}\n"
    )


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


@pytest.mark.parametrize("main", [in_wait4(CHILD), in_wait4(-1)], ids=["one", "any"])
@pytest.mark.parametrize("namespaces", [f"{PARENT}\t1", "", "x"])
def test_in_a_pid_namespace_of_its_own_no_wait_for_a_child_is_told(
    tree: ProcTree, main: Thread, namespaces: str
) -> None:
    family(tree, main, namespaces=namespaces)
    assert seen(tree).wait is None
    assert seen(tree).live


# pidfds


@pytest.mark.parametrize("link", ["anon_inode:[pidfd]", "pidfd:[4242]"])
def test_a_poll_on_a_pidfd_ends_by_the_threads_of_its_process(tree: ProcTree, link: str) -> None:
    family(tree, in_poll(1), links={5: link})
    pidfd(tree, 5, CHILD)
    tree.remember(PARENT, WORD, struct.pack("<ihh", 5, 1, 0))
    assert tids(seen(tree)) == {CHILD, CHILD + 1}


def test_waitid_on_a_pidfd_ends_by_the_threads_of_its_process(tree: ProcTree) -> None:
    family(tree, in_waitid(3, 5), links={5: "anon_inode:[pidfd]"})
    pidfd(tree, 5, CHILD)
    assert tids(seen(tree)) == {CHILD, CHILD + 1}


def test_negative_descriptors_of_a_poll_set_are_ignored(tree: ProcTree) -> None:
    family(tree, in_poll(2), links={5: "anon_inode:[pidfd]"})
    pidfd(tree, 5, CHILD)
    tree.remember(PARENT, WORD, struct.pack("<ihhihh", -1, 1, 0, 5, 1, 0))
    assert tids(seen(tree)) == {CHILD, CHILD + 1}


def test_a_poll_set_of_several_pidfds_ends_by_any_of_them(tree: ProcTree) -> None:
    family(tree, in_poll(2), links={5: "anon_inode:[pidfd]", 6: "anon_inode:[pidfd]"})
    tree.add(OTHER, [working()], parent=PARENT)
    pidfd(tree, 5, CHILD)
    pidfd(tree, 6, OTHER)
    tree.remember(PARENT, WORD, struct.pack("<ihhihh", 5, 1, 0, 6, 1, 0))
    assert tids(seen(tree)) == {CHILD, CHILD + 1, OTHER}


@pytest.mark.parametrize(
    ("descriptor", "link"), [(6, "pipe:[99]"), (6, "anon_inode:[eventfd]"), (6, "socket:[7]"), (7, "")]
)
def test_one_descriptor_that_is_no_pidfd_makes_a_poll_live(tree: ProcTree, descriptor: int, link: str) -> None:
    links = {5: "anon_inode:[pidfd]"} | ({descriptor: link} if link else {})
    family(tree, in_poll(2), links=links)
    pidfd(tree, 5, CHILD)
    tree.remember(PARENT, WORD, struct.pack("<ihhihh", 5, 1, 0, descriptor, 1, 0))
    assert "no pidfd" in (seen(tree).live or "")


@pytest.mark.parametrize("named", ["-1", "0", "", "x"])
def test_a_pidfd_that_names_no_process_makes_a_poll_live(tree: ProcTree, named: str) -> None:
    family(tree, in_poll(1), links={5: "anon_inode:[pidfd]"})
    tree.write(f"{PARENT}/fdinfo/5", f"pos:\t0\nPid:\t{named}\n")
    tree.remember(PARENT, WORD, struct.pack("<ihh", 5, 1, 0))
    assert seen(tree).live == "pidfd: descriptor 5 names no process"


@pytest.mark.parametrize("count", [0, 65, 1 << 40])
def test_a_poll_on_nothing_or_on_very_much_is_live(tree: ProcTree, count: int) -> None:
    family(tree, in_poll(count))
    assert seen(tree).live


def test_a_poll_set_of_ignored_descriptors_only_is_live(tree: ProcTree) -> None:
    family(tree, in_poll(1))
    tree.remember(PARENT, WORD, struct.pack("<ihh", -1, 1, 0))
    assert seen(tree).live == "poll: waits on no descriptor"


def test_a_poll_set_that_cannot_be_read_is_live(tree: ProcTree) -> None:
    family(tree, in_poll(2), links={5: "anon_inode:[pidfd]"})
    assert seen(tree).live
    tree.remember(PARENT, WORD, struct.pack("<ihh", 5, 1, 0))
    assert seen(tree).live == "poll: its set cannot be read whole"


def test_a_timed_poll_is_live_and_a_timed_sleep(tree: ProcTree) -> None:
    family(tree, in_poll(1, timeout=1500), links={5: "anon_inode:[pidfd]"})
    view = seen(tree)
    assert (view.wait, view.is_timed, view.is_poller) == (None, True, True)


# what makes every thread of a process live


def test_a_traced_process_is_live(tree: ProcTree) -> None:
    family(tree, in_wait4(CHILD), working())
    tree.add(OTHER, [on_futex()], tracer=PARENT)
    assert seen(tree, OTHER).live == f"traced by pid {PARENT}"


def test_a_32_bit_program_is_live(tree: ProcTree) -> None:
    tree.add(PARENT, [on_futex()], is_64_bit=False)
    assert "32-bit" in (seen(tree).live or "")


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"\x04", bytes(range(64))])
def test_a_program_whose_word_size_cannot_be_told_is_live(tree: ProcTree, data: bytes) -> None:
    tree.add(PARENT, [on_futex()])
    tree.write(f"{PARENT}/task/{PARENT}/auxv", data)
    assert seen(tree).live == "auxv: no program header size in it"


def test_a_process_with_an_io_uring_is_live(tree: ProcTree) -> None:
    tree.add(PARENT, [on_futex()], links={3: "/dev/null", 4: "anon_inode:[io_uring]"})
    assert seen(tree).live == "has an io_uring"


def test_a_process_whose_descriptors_cannot_be_listed_is_live(tree: ProcTree) -> None:
    tree.add(PARENT, [on_futex()])
    (tree.root / f"{PARENT}/task/{PARENT}/fd").rmdir()
    assert seen(tree).live


def test_a_process_of_which_one_descriptor_cannot_be_read_is_live(tree: ProcTree) -> None:
    tree.add(PARENT, [on_futex()], links={3: "/dev/null"})
    tree.write(f"{PARENT}/task/{PARENT}/fd/4", "not a link")
    assert seen(tree).live


# what a view says of live threads


@pytest.mark.parametrize(
    ("thread", "is_timed", "is_poller"),
    [
        (asleep(), True, False),
        (on_futex(timeout=0x7FFE0000), True, False),
        (in_epoll(), False, True),
        (in_epoll(timeout=250), True, True),
        (Thread(call(0, 0, WORD, 1), "pipe_read"), False, False),
        (working(), False, False),
        (Thread(state="D"), False, False),
    ],
    ids=["sleep", "timed futex", "epoll", "timed epoll", "read", "running", "disk"],
)
def test_waits_that_end_by_themselves_are_live(tree: ProcTree, thread: Thread, is_timed: bool, is_poller: bool) -> None:
    tree.add(PARENT, [thread])
    view = seen(tree)
    assert view.wait is None
    assert view.live
    assert (view.is_timed, view.is_poller) == (is_timed, is_poller)
