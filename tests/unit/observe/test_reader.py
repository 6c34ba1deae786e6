"""Reading a `/proc`: every failure is data, and whoever was late once is not asked again."""

from __future__ import annotations

import errno
import signal
import threading
from pathlib import Path

import pytest

from hangprobe.model import Unreadable
from hangprobe.observe.reader import Reader, why

from .tree import ProcTree


def test_a_file_that_is_not_there_has_gone(tree: ProcTree) -> None:
    assert tree.reader().text("1/stat") == Unreadable("1/stat", "gone")
    assert tree.reader().numbers("1/task") == Unreadable("1/task", "gone")
    assert tree.reader().link("1/fd/0") == Unreadable("1/fd/0", "gone")
    assert tree.reader().memory(1, 0x1000, 8) == Unreadable("1/mem", "gone")


def test_a_file_that_cannot_be_read_says_why(tree: ProcTree) -> None:
    (tree.root / "1").mkdir()
    (tree.root / "1" / "stat").mkdir()
    assert tree.reader().text("1/stat") == Unreadable("1/stat", "Is a directory")


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ESRCH, "gone"), (errno.EACCES, "not permitted"), (errno.EPERM, "not permitted")]
)
def test_errors_are_said_in_a_few_words(number: int, said: str) -> None:
    assert why(OSError(number, "?")) == said


def test_files_of_any_size_are_read_whole(tree: ProcTree) -> None:
    tree.write("1/maps", b"x" * 200_000)
    assert tree.reader().read("1/maps") == b"x" * 200_000
    assert tree.reader().guarded(1, "maps") == b"x" * 200_000


def test_names_that_are_no_numbers_are_passed_over(tree: ProcTree) -> None:
    for name in ("10", "9", "self", "sys", "1x"):
        (tree.root / name).mkdir(exist_ok=True)
    assert tree.reader().numbers(".") == [9, 10]


def test_memory_is_read_at_its_address(tree: ProcTree) -> None:
    tree.add(100)
    tree.remember(100, 0x10_0000, b"abcdefgh")
    assert tree.reader().memory(100, 0x10_0002, 4) == b"cdef"
    assert tree.reader().memory(100, 0x10_0006, 4) == b"gh"


@pytest.mark.parametrize("address", [1 << 63, (1 << 64) - 1, 1 << 80])
def test_an_address_out_of_range_is_data(tree: ProcTree, address: int) -> None:
    tree.add(100)
    tree.remember(100, 0, b"x")
    assert isinstance(tree.reader().memory(100, address, 4), Unreadable)


def test_who_was_late_once_is_not_asked_again(tmp_path: Path) -> None:
    reader = Reader(str(tmp_path), late={7})
    assert reader.guarded(7, "maps") == Unreadable("7/maps", "late before, not asked again")
    assert reader.memory(7, 0, 4) == Unreadable("7/mem", "late before, not asked again")


# files that take the target's mmap lock


class Stuck(Reader):
    """A reader for which the map of one process never comes in time."""

    def read(self, path: str) -> bytes | Unreadable:
        """Return a file's content, late for process 7."""
        if path.startswith("7/"):
            self.pause.wait(5)
        return super().read(path)

    pause = threading.Event()


def test_who_does_not_answer_in_time_is_left_behind_and_the_others_are_read(tree: ProcTree) -> None:
    for pid in (7, 8):
        tree.write(f"{pid}/maps", f"map of {pid}")
    reader = Stuck(str(tree.root), guarded_s=0.05)
    reader.pause.clear()
    try:
        assert reader.guarded(7, "maps") == Unreadable("7/maps", "no answer within 0.05 s")
        assert reader.guarded(8, "maps") == b"map of 8"
        assert reader.guarded(7, "maps") == Unreadable("7/maps", "late before, not asked again")
    finally:
        reader.pause.set()


def test_one_that_does_not_answer_spoils_nothing_for_those_read_with_it(tree: ProcTree) -> None:
    for pid in (6, 7, 8):
        tree.write(f"{pid}/maps", f"map of {pid}")
    reader = Stuck(str(tree.root), guarded_s=0.05)
    reader.pause.clear()
    try:
        found = reader.guarded_many(dict.fromkeys((6, 7, 8), "maps"))
    finally:
        reader.pause.set()
    assert (found[6], found[8]) == (b"map of 6", b"map of 8")
    assert isinstance(found[7], Unreadable)
    assert reader.late == {7}


def test_a_job_may_itself_read_what_is_guarded(tree: ProcTree) -> None:
    tree.write("8/maps", "map")
    reader = tree.reader()
    assert reader.abandonable(8, "8/root", lambda: reader.guarded(8, "maps")) == b"map"


def test_the_thread_that_reads_takes_no_signal_meant_for_the_process(tree: ProcTree) -> None:
    blocked = tree.reader().abandonable(1, "its mask", lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    assert not isinstance(blocked, Unreadable)
    assert {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP} <= blocked
