"""Who ends an epoll without time-out: whoever could make one of its files ready, and whoever may change the set."""

from __future__ import annotations

import pytest

from hangprobe.model import ThreadId, Wait, WaitKind
from hangprobe.observe.waits import poll

from .calls import Thread, call, in_epoll, on_futex, working
from .opened import Open, epoll, opened, reads, unix_socket, writes
from .tree import ProcTree, seen

WAITER, OTHER, THIRD = 100, 200, 300
PIPES, SOCKETS, ANONYMOUS = 14, 8, 15
"""Devices of files, as the kernel numbers them."""
WATCHING = 3
"""The number of the epoll descriptor itself."""


@pytest.fixture(autouse=True)
def devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pipes and sockets have these devices."""
    monkeypatch.setattr(poll, "_devices", lambda: (PIPES, SOCKETS))


def waiter(tree: ProcTree, *targets: tuple[int, int, int], links: dict[int, str | Open] | None = None) -> None:
    """Make a process with one thread in epoll."""
    tree.add(WAITER, [in_epoll()], links={WATCHING: epoll(*targets), **(links or {})})


def waits(tree: ProcTree) -> Wait:
    view = seen(tree)
    assert view.wait is not None, view.live
    assert view.live is None
    return view.wait


def tids(tree: ProcTree) -> set[int]:
    return {waker.tid for waker in waits(tree).wakers}


def why(tree: ProcTree) -> str:
    view = seen(tree)
    assert view.live is not None
    return view.live


# what it watches


def test_a_pipe_becomes_ready_by_the_holders_of_either_end(tree: ProcTree) -> None:
    waiter(tree, (5, 7, PIPES), links={5: reads(7)})
    tree.add(OTHER, [on_futex(), working()], links={4: writes(7)})
    tree.add(THIRD, [working()], links={4: reads(7)})  # which end is watched is not told
    assert tids(tree) == {OTHER, OTHER + 1, THIRD}
    assert (waits(tree).kind, waits(tree).object) == (WaitKind.POLL, "pipe:[7], epoll")


def test_a_unix_socket_becomes_ready_by_the_holders_of_both_ends(tree: ProcTree) -> None:
    tree.peers = {40: 41, 41: 40}
    waiter(tree, (5, 40, SOCKETS), links={5: unix_socket(40)})
    tree.add(OTHER, [on_futex()], links={4: unix_socket(41)})
    tree.add(THIRD, [working()], links={3: unix_socket(40)})
    assert tids(tree) == {OTHER, THIRD}


def test_a_number_that_was_closed_and_used_again_is_not_the_file_that_is_watched(tree: ProcTree) -> None:
    # Number 5 leads to pipe 8 by now; pipe 7 is still watched, through a copy that another process has.
    waiter(tree, (5, 7, PIPES), links={5: reads(8), 6: writes(8)})
    tree.add(OTHER, [on_futex()], links={4: writes(7), 5: reads(7)})
    assert tids(tree) == {OTHER}


def test_a_number_that_was_closed_altogether_is_still_watched(tree: ProcTree) -> None:
    waiter(tree, (5, 7, PIPES))
    tree.add(OTHER, [on_futex()], links={4: writes(7), 5: reads(7)})
    assert tids(tree) == {OTHER}


def test_a_file_that_nobody_shows_is_hidden(tree: ProcTree) -> None:
    waiter(tree, (5, 7, PIPES))
    assert "so one is hidden" in why(tree)


@pytest.mark.parametrize("device", [ANONYMOUS, 0, 0xFE00002, 1 << 20 | PIPES])
def test_a_target_on_an_unknown_device_makes_the_wait_live(tree: ProcTree, device: int) -> None:
    waiter(tree, (5, 7, PIPES), (6, 7, device), links={5: reads(7), 6: writes(7)})
    assert why(tree) == "epoll: watches something else than pipes and sockets"


@pytest.mark.parametrize("line", ["tfd:", "tfd:  5 events: 19 data: 5", "tfd: 5 ino:x sdev:y", "tfd: 5 ino:7"])
def test_a_target_that_does_not_read_makes_the_wait_live(tree: ProcTree, line: str) -> None:
    waiter(tree, (5, 7, PIPES), links={5: reads(7), 6: writes(7)})
    path = f"{WAITER}/task/{WAITER}/fdinfo/{WATCHING}"
    tree.write(path, (tree.root / path).read_text() + f"{line}\n")
    assert why(tree) == "epoll: watches something else than pipes and sockets"


def test_an_empty_set_is_live(tree: ProcTree) -> None:
    waiter(tree)
    assert why(tree) == "poll: waits for no descriptor"


def test_a_set_of_very_many_is_live(tree: ProcTree) -> None:
    waiter(tree, *[(5, 7, PIPES)] * 257, links={5: reads(7), 6: writes(7)})
    assert why(tree) == "epoll: waits for very many descriptors"


@pytest.mark.parametrize("link", ["pipe:[3]", "socket:[3]", "anon_inode:[eventfd]"])
def test_a_descriptor_that_is_no_epolls_is_live(tree: ProcTree, link: str) -> None:
    tree.add(WAITER, [in_epoll()], links={WATCHING: opened(link, more=["tfd: 5 ino:7 sdev:e"]), 6: writes(7)})
    assert "is no epoll's" in why(tree)


@pytest.mark.parametrize("name", ["fd", "fdinfo"])
def test_an_epoll_that_may_not_be_described_is_live(tree: ProcTree, name: str) -> None:
    waiter(tree, (5, 7, PIPES), links={5: reads(7), 6: writes(7)})
    tree.refuse(f"{WAITER}/task/{WAITER}/{name}/{WATCHING}")
    assert why(tree)


def test_an_epoll_with_a_signal_mask_waits_for_signals_too(tree: ProcTree) -> None:
    masked = Thread(call(281, WATCHING, 0x5000, 16, 0xFFFFFFFF, 0x7FF0, 8), "ep_poll")
    tree.add(WAITER, [masked], links={WATCHING: epoll((5, 7, PIPES)), 5: reads(7), 6: writes(7)})
    assert seen(tree).wait is None
    assert seen(tree).is_timed


# who may change the set


def shared(tree: ProcTree, answer: bool | None) -> None:
    """Make a process that may have the same epoll as the waiter; nobody else has the pipe."""
    waiter(tree, (5, 7, PIPES), links={5: reads(7), 6: writes(7)})
    tree.add(OTHER, [working()], links={9: epoll((5, 7, PIPES))})
    tree.same_file[WAITER, OTHER, WATCHING, 9] = answer


def test_another_holder_of_the_epoll_may_change_its_set(tree: ProcTree) -> None:
    shared(tree, answer=True)
    assert tids(tree) == {OTHER}


def test_a_process_with_an_epoll_of_its_own_may_not(tree: ProcTree) -> None:
    shared(tree, answer=False)
    assert tids(tree) == set()


def test_where_the_kernel_does_not_say_it_may(tree: ProcTree) -> None:
    shared(tree, answer=None)
    assert tids(tree) == {OTHER}


def test_the_other_threads_of_the_waiter_may(tree: ProcTree) -> None:
    tree.add(WAITER, [in_epoll(), working()], links={WATCHING: epoll((5, 7, PIPES)), 5: reads(7)})
    tree.same_file[WAITER, WAITER, WATCHING, WATCHING] = True
    tree.add(OTHER, [on_futex()], links={4: writes(7)})
    assert waits(tree).wakers == frozenset({ThreadId(tree.id(WAITER), WAITER + 1), ThreadId(tree.id(OTHER), OTHER)})


def test_where_somebody_may_hide_the_epoll_the_wait_is_live(tree: ProcTree) -> None:
    shared(tree, answer=False)
    tree.add(THIRD)
    tree.refuse(f"{THIRD}/task/{THIRD}/fd")
    assert f"pid {THIRD} may have it" in why(tree)
