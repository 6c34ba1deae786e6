"""Who ends a poll or select without time-out: whoever could make any descriptor of its set ready."""

from __future__ import annotations

import struct

import pytest

from hangprobe.model import Assumption, ThreadId, ThreadView, Unreadable, Wait, WaitKind
from hangprobe.observe.census import Scope

from .calls import WORD, Thread, call, in_poll, in_select, on_futex, working
from .opened import Open, opened, pidfd, reads, reads_and_writes, unix_socket, writes
from .tree import ProcTree, seen

OLD, ROOT, WAITER, OTHER, THIRD = 40, 50, 100, 200, 300


def polled(*numbers: int) -> bytes:
    """Return an array of `struct pollfd`."""
    return b"".join(struct.pack("<ihh", number, 1, 0) for number in numbers)


def poller(tree: ProcTree, *numbers: int, links: dict[int, str | Open], main: Thread | None = None) -> None:
    """Make a process that polls these descriptors, and has them."""
    tree.add(WAITER, [main or in_poll(len(numbers)), working()], links=links)
    tree.remember(WAITER, WORD, polled(*numbers))


def waits(view: ThreadView) -> Wait:
    assert view.wait is not None, view.live
    assert view.live is None
    return view.wait


def tids(tree: ProcTree) -> set[int]:
    return {waker.tid for waker in waits(seen(tree)).wakers}


def why(tree: ProcTree) -> str:
    view = seen(tree)
    assert view.wait is None
    assert view.live is not None
    return view.live


# each kind of descriptor


def test_the_read_end_of_a_pipe_becomes_ready_by_the_holders_of_the_write_end(tree: ProcTree) -> None:
    poller(tree, 3, links={3: reads(7)})
    tree.add(OTHER, [on_futex(), working()], links={4: writes(7)})
    tree.add(THIRD, [working()], links={3: reads(7)})
    wait = waits(seen(tree))
    assert (wait.kind, wait.object, tids(tree)) == (WaitKind.POLL, "pipe:[7]", {OTHER, OTHER + 1})


@pytest.mark.parametrize("end", [writes(7), reads_and_writes(7)], ids=["write end", "both"])
def test_any_other_end_becomes_ready_by_the_holders_of_either(tree: ProcTree, end: Open) -> None:
    poller(tree, 3, links={3: end})
    tree.add(OTHER, [on_futex()], links={4: writes(7)})
    tree.add(THIRD, [working()], links={3: reads(7)})
    assert tids(tree) == {WAITER + 1, OTHER, THIRD}


def test_an_end_whose_access_cannot_be_told_becomes_ready_by_the_holders_of_either(tree: ProcTree) -> None:
    poller(tree, 3, links={3: Open("pipe:[7]", "pos:\t0\n")})
    tree.add(OTHER, [on_futex()], links={4: reads(7)})
    assert tids(tree) == {WAITER + 1, OTHER}


def test_a_unix_socket_becomes_ready_by_the_holders_of_both_ends(tree: ProcTree) -> None:
    tree.peers = {40: 41, 41: 40}
    poller(tree, 3, links={3: unix_socket(40)})
    tree.add(OTHER, [on_futex()], links={4: unix_socket(41)})
    tree.add(THIRD, [working()], links={3: unix_socket(40)})
    assert tids(tree) == {WAITER + 1, OTHER, THIRD}


@pytest.mark.parametrize("peers", [{}, {41: 40}, {40: 0}, Unreadable("unix sockets", "sock_diag: refused")])
def test_a_socket_whose_peer_is_not_known_is_live(tree: ProcTree, peers: dict[int, int] | Unreadable) -> None:
    tree.peers = peers
    poller(tree, 3, links={3: unix_socket(40)})
    tree.add(OTHER, [on_futex()], links={4: unix_socket(41)})
    assert why(tree)


def test_a_socket_whose_other_end_nobody_shows_is_live(tree: ProcTree) -> None:
    tree.peers = {40: 41, 41: 40}
    poller(tree, 3, links={3: unix_socket(40)})
    assert "no holder that is to be seen" in why(tree)


@pytest.mark.parametrize("link", ["anon_inode:[pidfd]", "pidfd:[4242]"])
def test_a_pidfd_becomes_ready_by_the_threads_of_its_process(tree: ProcTree, link: str) -> None:
    poller(tree, 5, links={5: pidfd(OTHER, link)})
    tree.add(OTHER, [on_futex(), on_futex()], parent=WAITER)
    wait = waits(seen(tree))
    assert (wait.kind, wait.object, tids(tree)) == (WaitKind.CHILD, f"pid {OTHER}", {OTHER, OTHER + 1})


@pytest.mark.parametrize("named", ["-1", "0", "", "x", "77"])
def test_a_pidfd_of_a_process_that_is_not_to_be_seen_is_live(tree: ProcTree, named: str) -> None:
    poller(tree, 5, links={5: pidfd(named)})
    assert why(tree)


def test_a_pidfd_of_a_process_that_has_ended_is_live(tree: ProcTree) -> None:
    poller(tree, 5, links={5: pidfd(OTHER)})
    tree.add(OTHER, [Thread(state="Z")], parent=WAITER, state="Z")
    assert "has ended" in why(tree)


BY_ITSELF = [
    *("anon_inode:[eventfd]", "anon_inode:[timerfd]", "anon_inode:[signalfd]", "anon_inode:inotify", "/dev/pts/3"),
    *("/dev/infiniband/uverbs0", "anon_inode:[eventpoll]", "/tmp/fifo", "/proc/mounts", "anon_inode:[perf_event]"),
]


@pytest.mark.parametrize("link", BY_ITSELF)
def test_one_descriptor_that_may_become_ready_by_itself_makes_a_poll_live(tree: ProcTree, link: str) -> None:
    poller(tree, 3, 6, links={3: reads(7), 4: writes(7), 6: opened(link)})
    assert why(tree) == f"poll: waits for {link}, which may become ready by itself"


def test_one_descriptor_whose_holders_are_not_known_makes_a_poll_live(tree: ProcTree) -> None:
    poller(tree, 3, 6, links={3: reads(7), 4: writes(7), 6: reads(8)})
    assert "no holder of the write end" in why(tree)


def test_one_descriptor_that_is_not_there_makes_a_poll_live(tree: ProcTree) -> None:
    poller(tree, 3, 6, links={3: reads(7), 4: writes(7)})
    assert why(tree) == "poll: descriptor 6 cannot be read"


def test_one_descriptor_that_may_not_be_described_makes_a_poll_live(tree: ProcTree) -> None:
    poller(tree, 3, links={3: reads(7), 4: writes(7)})
    tree.refuse(f"{WAITER}/task/{WAITER}/fdinfo/3")
    assert why(tree) == "poll: descriptor 3 cannot be read"


# the set


def test_several_descriptors_become_ready_by_the_holders_of_any(tree: ProcTree) -> None:
    poller(tree, 3, 5, 3, links={3: reads(7), 5: pidfd(THIRD)})
    tree.add(OTHER, [on_futex()], links={4: writes(7)})
    tree.add(THIRD, [working()])
    wait = waits(seen(tree))
    assert (wait.kind, wait.object) == (WaitKind.POLL, f"pipe:[7], pid {THIRD}")
    assert tids(tree) == {OTHER, THIRD}


def test_negative_descriptors_are_ignored(tree: ProcTree) -> None:
    poller(tree, -1, 3, -7, links={3: reads(7)})
    tree.add(OTHER, [on_futex()], links={4: writes(7)})
    assert tids(tree) == {OTHER}


def test_a_set_of_ignored_descriptors_only_is_empty_and_live(tree: ProcTree) -> None:
    poller(tree, -1, links={3: reads(7), 4: writes(7)})
    assert why(tree) == "poll: waits for no descriptor"


@pytest.mark.parametrize("count", [0, 257, 1 << 40])
def test_a_poll_for_nothing_or_for_very_many_is_live(tree: ProcTree, count: int) -> None:
    poller(tree, *[3] * 300, links={3: reads(7), 4: writes(7)}, main=in_poll(count))
    assert why(tree) == "poll: waits for no descriptor, or for very many"


def test_a_set_that_cannot_be_read_is_live(tree: ProcTree) -> None:
    poller(tree, 3, links={3: reads(7), 4: writes(7)}, main=in_poll(2))
    assert why(tree) == "poll: its set cannot be read whole"
    tree.refuse(f"{WAITER}/mem")
    assert why(tree) == f"{WAITER}/mem: not permitted"


def test_a_poll_with_a_signal_mask_waits_for_signals_too(tree: ProcTree) -> None:
    poller(tree, 3, links={3: reads(7), 4: writes(7)}, main=Thread(call(271, WORD, 1, 0, WORD), "do_sys_poll"))
    assert seen(tree).is_timed
    assert seen(tree).wait is None


def test_the_descriptors_are_those_of_the_threads_own_table(tree: ProcTree) -> None:
    tree.add(WAITER, [in_poll(1), in_poll(1)], links={3: reads(7)}, tables={WAITER + 1: {3: reads(8)}})
    tree.same_files[frozenset({WAITER, WAITER + 1})] = False
    tree.remember(WAITER, WORD, polled(3))
    tree.add(OTHER, [on_futex()], links={4: writes(7)})
    tree.add(THIRD, [on_futex()], links={4: writes(8)})
    assert tids(tree) == {OTHER}
    assert waits(seen(tree, tid=WAITER + 1)).wakers == frozenset({ThreadId(tree.id(THIRD), THIRD)})


def test_what_is_assumed_of_one_descriptor_is_assumed_of_the_wait(tree: ProcTree) -> None:
    tree.add(OLD)
    tree.refuse(f"{OLD}/task/{OLD}/fd")
    tree.add(ROOT)
    tree.add(WAITER, [in_poll(2)], parent=ROOT, links={3: reads(7), 4: writes(7), 5: pidfd(OTHER)})
    tree.remember(WAITER, WORD, polled(3, 5))
    tree.add(OTHER, [on_futex()], parent=WAITER)
    tree.scope = Scope(tree.id(ROOT))
    assert waits(seen(tree)).assumes == (Assumption.A1,)


# the bit sets of select(2)

SETS = (WORD, WORD + 0x100, WORD + 0x200)


def selector(tree: ProcTree, count: int, **sets: list[int]) -> None:
    """Make a process that selects these descriptors for `reading`, `writing` or `errors`."""
    given = [sets.get(name) for name in ("reading", "writing", "errors")]
    addresses = [address if bits is not None else 0 for address, bits in zip(SETS, given, strict=True)]
    tree.add(WAITER, [in_select(count, *addresses)], links={3: reads(7), 64: reads(8), 70: opened("/dev/pts/3")})
    tree.add(OTHER, [on_futex()], links={4: writes(7)})
    tree.add(THIRD, [on_futex()], links={4: writes(8)})
    for address, bits in zip(SETS, given, strict=True):
        data = sum(1 << bit for bit in bits or [])
        tree.remember(WAITER, address, data.to_bytes(64, "little"))


@pytest.mark.parametrize("name", ["reading", "writing", "errors"])
def test_a_descriptor_is_waited_for_in_whichever_set_it_is(tree: ProcTree, name: str) -> None:
    selector(tree, 4, **{name: [3]})
    assert tids(tree) == {OTHER}


def test_the_descriptors_of_all_sets_are_waited_for(tree: ProcTree) -> None:
    selector(tree, 65, reading=[3], errors=[64])
    assert tids(tree) == {OTHER, THIRD}


@pytest.mark.parametrize(("count", "wakers"), [(64, {OTHER}), (65, {OTHER, THIRD})])
def test_bits_from_the_count_on_do_not_count(tree: ProcTree, count: int, wakers: set[int]) -> None:
    selector(tree, count, reading=[3, 64, 70])
    assert tids(tree) == wakers


def test_a_descriptor_that_may_become_ready_by_itself_makes_a_select_live(tree: ProcTree) -> None:
    selector(tree, 71, reading=[3], errors=[70])
    assert "by itself" in why(tree)


@pytest.mark.parametrize("sets", [{}, {"reading": []}, {"reading": [], "errors": []}])
def test_a_select_for_nothing_is_live(tree: ProcTree, sets: dict[str, list[int]]) -> None:
    selector(tree, 4, **sets)
    assert why(tree) == "poll: waits for no descriptor"


@pytest.mark.parametrize("count", [0, 1025])
def test_a_select_with_a_count_of_nothing_or_of_very_many_is_live(tree: ProcTree, count: int) -> None:
    selector(tree, count, reading=[3])
    assert why(tree) == "select: waits for no descriptor, or for very many"


def test_a_select_for_very_many_descriptors_is_live(tree: ProcTree) -> None:
    selector(tree, 512, reading=list(range(257)))
    assert why(tree) == "select: waits for very many descriptors"


def test_sets_that_cannot_be_read_are_live(tree: ProcTree) -> None:
    selector(tree, 1000, errors=[3])
    assert why(tree) == "select: its sets cannot be read whole"
