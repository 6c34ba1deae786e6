"""A system call keeps its file open though another thread has closed the descriptor: its process may have anything."""

from __future__ import annotations

import pytest

from hangprobe.model import Unreadable
from hangprobe.observe.holders import Found, Holders

from .calls import WORD, Thread, call, in_read, in_write, on_futex, working
from .opened import reads, writes
from .tree import ProcTree, plain

RANK, OTHER = 100, 200
PIPE = "pipe:[7]"


def judged(tree: ProcTree, thread: Thread, *beside: Thread) -> Found | Unreadable:
    """Return who has a pipe, while this thread of another process is in a system call."""
    tree.add(RANK, links={3: reads(7), 4: writes(7)})
    tree.add(OTHER, [working(), thread, *beside], links={0: "/dev/null"})
    return plain(Holders(tree.scanned()).of(PIPE))


def hidden(tid: int = OTHER + 1) -> Unreadable:
    why = f"pid {OTHER} may have it: thread {tid} is in a system call with a descriptor that has been closed"
    return Unreadable(PIPE, why)


@pytest.mark.parametrize("number", [0, 1, 19, 20, 44, 45, 46, 47, 278])
def test_a_call_on_a_descriptor_that_was_closed_may_have_anything(tree: ProcTree, number: int) -> None:
    assert judged(tree, Thread(call(number, 5, WORD, 1), "pipe_write")) == hidden()


@pytest.mark.parametrize(
    ("number", "arguments"),
    [(40, (0, 5)), (40, (5, 0)), (276, (5, 0)), (276, (0, 5)), (275, (0, 1, 5)), (275, (5, 1, 0))],
)
def test_a_call_with_two_descriptors_keeps_both_open(tree: ProcTree, number: int, arguments: tuple[int, ...]) -> None:
    assert judged(tree, Thread(call(number, *arguments), "pipe_write")) == hidden()


def test_only_the_low_word_is_the_descriptor(tree: ProcTree) -> None:
    assert isinstance(judged(tree, in_write(0xABCD_0000_0000)), Found)


def test_a_call_on_a_descriptor_that_is_open_hides_nothing(tree: ProcTree) -> None:
    assert isinstance(judged(tree, in_read(0)), Found)


@pytest.mark.parametrize("thread", [on_futex(), working(), Thread("running\n", state="R"), Thread("garbage")])
def test_any_other_thread_hides_nothing(tree: ProcTree, thread: Thread) -> None:
    assert isinstance(judged(tree, thread), Found)


def test_the_main_thread_is_looked_at_like_the_others(tree: ProcTree) -> None:
    tree.add(RANK, links={3: reads(7), 4: writes(7)})
    tree.add(OTHER, [in_write(5), working()], links={0: "/dev/null"})
    assert plain(Holders(tree.scanned()).of(PIPE)) == hidden(OTHER)


@pytest.mark.parametrize("number", [327, 328])
def test_preadv2_and_pwritev2_keep_a_pipe_open_too(tree: ProcTree, number: int) -> None:
    assert judged(tree, Thread(call(number, 5, WORD, 1, 0xFFFFFFFFFFFFFFFF), "pipe_write")) == hidden()
