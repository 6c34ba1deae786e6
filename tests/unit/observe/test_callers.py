"""Which libraries a thread waits in, and whether it is a helper that an MPI runtime started for itself."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

from hangprobe.evidence import Code
from hangprobe.model import ThreadId, Unreadable
from hangprobe.observe import callers
from hangprobe.observe.callers import code_of, is_runtime_helper, libraries

from .calls import STACK_POINTER, Thread, in_epoll, on_futex, working
from .tree import ProcTree, seen

PID, HELPER = 100, 101
STACK, POINTER = 0xFE_BF0B_0000, STACK_POINTER
CODE = {"libc.so.6": 1, "libucs.so.0": 2, "libmpi.so.12": 3, "libpython3.11.so.1.0": 4, "app": 5, "libevent-2.1.so": 6}
IN_LIBC = 0x7F3D_A60A_0000


def maps() -> list[str]:
    lines = [
        f"{number:x}0000000-{number:x}0001000 r-xp 00000000 fe:00 {number}  /lib/{n}" for n, number in CODE.items()
    ]
    data = "90000000-90001000 rw-p 00000000 fe:00 9  /lib/libdata.so"
    nameless = "a0000000-a0001000 r-xp 00000000 00:00 0 "
    libc = f"{IN_LIBC:x}-{IN_LIBC + 0x10000:x} r-xp 00000000 fe:00 1  /lib/libc.so.6"
    stack = f"{STACK:x}-{STACK + 0x10000:x} rw-p 00000000 00:00 0  [stack]"
    return [*lines, data, nameless, libc, stack]


def at(*names: str) -> list[int]:
    """Return a return address in each of these files."""
    return [CODE[name] * 0x10000000 + 0x42 for name in names]


def stacked(tree: ProcTree, words: Sequence[int], *threads: Thread) -> None:
    """Make a process whose threads have these words above their stack pointer."""
    tree.add(PID, threads or [working(), in_epoll()], maps=maps())
    tree.remember(PID, POINTER, struct.pack(f"<{len(words)}Q", *words))
    tree.remember(PID, STACK + 0xFFF8, bytes(8))


def names(tree: ProcTree, size: int = callers.NEAR) -> tuple[str, ...] | Unreadable:
    return libraries(tree.scanned(), ThreadId(tree.id(PID), HELPER), POINTER, size)


def is_helper(tree: ProcTree) -> bool:
    return is_runtime_helper(tree.scanned(), ThreadId(tree.id(PID), HELPER), POINTER)


def test_every_word_that_leads_into_code_names_its_file_nearest_first(tree: ProcTree) -> None:
    stacked(tree, [0, 7, *at("libucs.so.0"), 0x90000042, *at("libc.so.6", "libucs.so.0"), 0xA0000042])
    assert names(tree) == ("libucs.so.0", "libc.so.6", "unnamed code")


@pytest.mark.parametrize("word", [0x10000000 - 1, 0x10001000, 0xFFFF_FFFF_FFFF_FFFF])
def test_a_word_beside_a_mapping_leads_nowhere(tree: ProcTree, word: int) -> None:
    stacked(tree, [word])
    assert names(tree) == ()


def test_only_the_near_words_are_looked_at(tree: ProcTree) -> None:
    stacked(tree, [*at("libc.so.6"), *[0] * 511, *at("app")])
    assert names(tree) == ("libc.so.6",)
    assert names(tree, callers.STACK_MAX) == ("libc.so.6", "app")


def test_a_stack_pointer_in_no_mapping_is_unreadable(tree: ProcTree) -> None:
    tree.add(PID, [working(), in_epoll()])
    assert names(tree) == Unreadable("stack", "its pointer is in no mapping")


@pytest.mark.parametrize("path", ["mem", f"task/{PID}/maps"])
def test_what_may_not_be_read_is_unreadable_and_no_helper(tree: ProcTree, path: str) -> None:
    stacked(tree, at("libucs.so.0"))
    tree.refuse(f"{PID}/{path}")
    assert isinstance(names(tree), Unreadable)
    assert not is_helper(tree)


def test_a_stack_that_is_too_deep_to_be_read_whole_is_no_helpers(
    tree: ProcTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    stacked(tree, at("libucs.so.0"))
    assert is_helper(tree)
    monkeypatch.setattr(callers, "STACK_MAX", 2 * callers.NEAR)
    deep = [line.replace(f"{STACK + 0x10000:x}", f"{STACK + 0x90000:x}") for line in maps()]
    tree.write(f"{PID}/task/{PID}/maps", "\n".join(deep) + "\n")
    assert not is_helper(tree)


@pytest.mark.parametrize("library", ["libucs.so.0", "libmpi.so.12"])
def test_a_thread_with_nothing_but_a_runtime_and_the_c_library_on_its_stack_is_a_helper(
    tree: ProcTree, library: str
) -> None:
    stacked(tree, at(library, "libevent-2.1.so", "libc.so.6"))
    assert is_helper(tree)


@pytest.mark.parametrize("foreign", ["libpython3.11.so.1.0", "app"])
def test_one_frame_of_the_application_makes_it_none(tree: ProcTree, foreign: str) -> None:
    stacked(tree, [*at("libucs.so.0", "libc.so.6"), *[0] * 600, *at(foreign)])
    assert not is_helper(tree)


def test_one_address_in_code_without_a_name_makes_it_none(tree: ProcTree) -> None:
    stacked(tree, [*at("libucs.so.0", "libc.so.6"), 0xA0000042])
    assert not is_helper(tree)


@pytest.mark.parametrize("words", [at("libc.so.6"), at("libc.so.6", "libevent-2.1.so"), [0]])
def test_a_thread_without_a_runtime_on_its_stack_is_none(tree: ProcTree, words: list[int]) -> None:
    stacked(tree, words)
    assert not is_helper(tree)


# in a collect


def test_a_collect_knows_a_runtimes_helper(tree: ProcTree) -> None:
    stacked(tree, at("libucs.so.0", "libc.so.6"))
    assert seen(tree, PID, HELPER).is_runtime_helper


def test_a_helper_that_polls_with_a_time_out_is_known_beside_a_main_thread_that_works(tree: ProcTree) -> None:
    stacked(tree, at("libmpi.so.12", "libevent-2.1.so", "libc.so.6"), working(), in_epoll(timeout=119_000))  # PMIx
    view = seen(tree, PID, HELPER)
    assert (view.is_runtime_helper, view.is_timed) == (True, True)


def test_a_main_thread_is_never_a_helper(tree: ProcTree) -> None:
    stacked(tree, at("libucs.so.0", "libc.so.6"), in_epoll(), working())
    assert not seen(tree, PID, PID).is_runtime_helper


def test_a_thread_that_does_not_poll_is_never_a_helper(tree: ProcTree) -> None:
    stacked(tree, at("libucs.so.0", "libc.so.6"), working(), on_futex())
    assert not seen(tree, PID, HELPER).is_runtime_helper


def test_the_code_in_which_a_thread_waits_begins_at_its_instruction(tree: ProcTree) -> None:
    stacked(tree, at("libucs.so.0", "libc.so.6"))
    view = seen(tree, PID, HELPER)
    assert code_of(tree.scanned(), view) == Code(view.id, ("libc.so.6", "libucs.so.0"))


def test_code_that_cannot_be_read_is_not_told(tree: ProcTree) -> None:
    stacked(tree, at("libucs.so.0"))
    view = seen(tree, PID, HELPER)
    assert code_of(tree.scanned(), seen(tree, PID, PID)) is None
    tree.refuse(f"{PID}/mem")
    assert code_of(tree.scanned(), view) is None
