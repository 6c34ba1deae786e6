"""Why every thread of a process must be thought live, whatever it waits for; and what a view says of live threads."""

from __future__ import annotations

import pytest

from hangprobe.model import Keeper, ThreadId, Wait, WaitKind

from .calls import (
    WORD,
    Thread,
    asleep,
    in_epoll,
    in_poll,
    in_read,
    in_select,
    in_wait4,
    in_write,
    on_futex,
    working,
)
from .opened import Open, reads, unix_socket, writes
from .tree import HEAP, LIBPYTHON, ProcTree, seen

PARENT, CHILD, OTHER = 100, 200, 300


def family(tree: ProcTree, main: Thread, *beside: Thread) -> None:
    """Make a process with a child of two threads."""
    tree.add(PARENT, [main, *beside])
    tree.add(CHILD, [on_futex(), on_futex()], parent=PARENT, is_forked=True)


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


RING = "7f0000200000-7f0000201000 rw-s 00000000 00:0e 1062                       anon_inode:[io_uring]"


def test_an_io_uring_whose_descriptor_was_closed_still_shows_in_the_map(tree: ProcTree) -> None:
    tree.add(PARENT, [on_futex()], maps=[HEAP, LIBPYTHON, RING])
    assert seen(tree).live == "has an io_uring"


def test_a_map_that_cannot_be_read_may_hold_an_io_uring(tree: ProcTree) -> None:
    tree.add(PARENT, [on_futex()], maps=[HEAP, RING])
    tree.refuse(f"{PARENT}/task/{PARENT}/maps")
    assert seen(tree).live


def test_the_descriptors_of_a_process_whose_main_thread_has_left_are_read_through_another(tree: ProcTree) -> None:
    tables: dict[int, dict[int, str | Open]] = {PARENT: {}, PARENT + 1: {4: "anon_inode:[io_uring]"}}
    tree.add(PARENT, [Thread(state="Z"), on_futex()], state="Z", tables=tables)
    assert seen(tree, tid=PARENT + 1).live == "has an io_uring"


def test_a_process_whose_status_cannot_be_read_is_live(tree: ProcTree) -> None:
    tree.add(PARENT, [on_futex()])
    tree.refuse(f"{PARENT}/status")
    assert seen(tree).live == f"{PARENT}/status: not permitted"


def test_a_process_whose_tracer_cannot_be_read_is_live(tree: ProcTree) -> None:
    tree.add(PARENT, [on_futex()])
    tree.write(f"{PARENT}/status", "Name:\tpython\n")
    assert seen(tree).live == "whether it is traced cannot be read"


# what a view says of live threads


@pytest.mark.parametrize(
    ("thread", "is_timed"),
    [
        (asleep(), True),
        (on_futex(timeout=0x7FFE0000), True),
        (in_epoll(), False),
        (in_epoll(timeout=250), True),
        (in_poll(1, timeout=1500), True),
        (in_select(8, WORD, timeout=WORD), True),
        (in_read(0), False),
        (working(), False),
        (Thread(state="D"), False),
    ],
    ids=["sleep", "timed futex", "epoll", "timed epoll", "timed poll", "timed select", "read", "running", "disk"],
)
def test_waits_that_end_by_themselves_or_are_not_understood_are_live(
    tree: ProcTree, thread: Thread, is_timed: bool
) -> None:
    tree.add(PARENT, [thread])
    view = seen(tree)
    assert view.wait is None
    assert view.live
    assert (view.is_timed, view.is_runtime_helper) == (is_timed, False)


@pytest.mark.parametrize("state", ["R", "D", "T", "t", "X", "I"])
def test_a_thread_in_another_state_is_live_whatever_call_it_shows(tree: ProcTree, state: str) -> None:
    sleeping = on_futex()
    tree.add(PARENT, [Thread(sleeping.syscall, sleeping.wchan, state)])
    assert (seen(tree).wait, seen(tree).live) == (None, f"state: {state}")


FROZEN = {
    "read": in_read(0, "get_signal"),
    "write": in_write(1, "do_freezer_trap"),
    "futex": on_futex(wchan="get_signal"),
    "unknown": in_read(0, "0"),
}


@pytest.mark.parametrize("name", FROZEN)
def test_a_thread_that_sleeps_elsewhere_than_in_its_call_is_live(tree: ProcTree, name: str) -> None:
    tree.add(PARENT, [FROZEN[name]], links={0: reads(7), 1: writes(7)})
    assert (seen(tree).live or "").startswith("wchan: in ")


def test_a_read_from_a_socket_that_is_standard_input_has_a_wait_and_is_live_all_the_same(tree: ProcTree) -> None:
    tree.peers = {7: 8, 8: 7}
    tree.add(PARENT, [in_read(0, "unix_stream_read_generic")], links={0: unix_socket(7)})
    tree.add(CHILD, [on_futex()], links={5: unix_socket(8)})
    view = seen(tree)
    assert view.wait == Wait(
        WaitKind.SOCKET_READ,
        "socket:[7]",
        frozenset({ThreadId(tree.id(CHILD), CHILD)}),
        keepers=(Keeper(tree.id(CHILD)),),
    )
    assert "SO_RCVTIMEO" in (view.live or "")


@pytest.mark.parametrize("number", [1, 5])
def test_a_read_from_any_other_socket_is_not_told(tree: ProcTree, number: int) -> None:
    tree.peers = {7: 8, 8: 7}
    tree.add(PARENT, [in_read(number, "unix_stream_read_generic")], links={0: unix_socket(9), 1: unix_socket(7)})
    tree.add(CHILD, [on_futex()], links={5: unix_socket(8)})
    assert seen(tree).wait is None
