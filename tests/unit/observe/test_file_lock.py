"""Who ends a wait for a lock on a file: those who have the lock, if every one of them is to be seen."""

from __future__ import annotations

import pytest

from hangprobe.model import Assumption, Keeper, Unreadable, WaitKind
from hangprobe.observe.census import Scope
from hangprobe.observe.waits.shapes import FileLockKind

from .calls import in_fcntl, in_flock, on_futex, working
from .locked import HOLDER, OTHER, WAITER, held, locks, resolved, tids, waits, why
from .opened import FILE, file, lock_line, waiting_line
from .tree import ProcTree, seen

OLD, ROOT, HEIR = 40, 50, 201
KINDS = list(FileLockKind)
POSIX = [FileLockKind.POSIX, FileLockKind.OFD]


# who has it


def test_the_threads_of_the_process_that_shows_the_lock_end_the_wait(tree: ProcTree) -> None:
    held(tree)
    found = waits(resolved(tree))
    assert (found.kind, found.object) == (WaitKind.FILE_LOCK, f"FLOCK on {FILE} (inode 77)")
    assert (tids(found), found.assumes) == ({HOLDER, HOLDER + 1}, ())
    assert found.keepers == (Keeper(tree.id(HOLDER)),)


def test_it_is_the_heir_that_shows_the_lock_and_not_who_took_it(tree: ProcTree) -> None:
    line = lock_line("FLOCK", HOLDER)
    tree.add(WAITER, [in_flock(3)], links={3: file()})
    tree.add(HOLDER, [working()])
    tree.add(OTHER, [on_futex()], parent=HOLDER, is_forked=True, links={5: file(line)})
    locks(tree, line)
    found = waits(resolved(tree))
    assert tids(found) == {OTHER}
    assert found.keepers == (Keeper(tree.id(OTHER), tree.id(HOLDER)),)


def test_who_has_the_lock_together_with_its_parent_has_it_from_nobody_who_gave_it_up(tree: ProcTree) -> None:
    line = lock_line("FLOCK", HOLDER)
    tree.add(WAITER, [in_flock(3)], links={3: file()})
    tree.add(HOLDER, [working()], links={5: file(line)})
    tree.add(OTHER, [on_futex()], parent=HOLDER, is_forked=True, links={5: file(line)})
    locks(tree, line)
    found = waits(resolved(tree))
    assert tids(found) == {HOLDER, OTHER}
    assert found.keepers == (Keeper(tree.id(HOLDER)), Keeper(tree.id(OTHER)))


def test_who_took_the_lock_itself_has_it_from_nobody(tree: ProcTree) -> None:
    line = lock_line("FLOCK", OTHER)
    tree.add(WAITER, [in_flock(3)], links={3: file()})
    tree.add(HOLDER, [working()])
    tree.add(OTHER, [on_futex()], parent=HOLDER, is_forked=True, links={5: file(line)})
    locks(tree, line)
    assert waits(resolved(tree)).keepers == (Keeper(tree.id(OTHER)),)


def test_a_lock_that_neither_it_nor_its_parent_took_has_come_another_way(tree: ProcTree) -> None:
    line = lock_line("FLOCK", 999)
    tree.add(WAITER, [in_flock(3)], links={3: file()})
    tree.add(HOLDER, [working()])
    tree.add(OTHER, [on_futex()], parent=HOLDER, is_forked=True, links={5: file(line)})
    locks(tree, line)
    assert waits(resolved(tree)).keepers == (Keeper(tree.id(OTHER)),)


def test_who_has_a_lock_of_its_parents_and_one_of_its_own_has_it_from_nobody(tree: ProcTree) -> None:
    lines = [lock_line("FLOCK", pid, access="READ") for pid in (HOLDER, OTHER)]
    tree.add(WAITER, [in_flock(3)], links={3: file()})
    tree.add(HOLDER, [working()])
    tree.add(OTHER, [on_futex()], parent=HOLDER, is_forked=True, links={5: file(lines[0]), 6: file(lines[1])})
    locks(tree, *lines)
    assert waits(resolved(tree)).keepers == (Keeper(tree.id(OTHER)),)


def test_an_ofd_lock_does_not_say_who_took_it(tree: ProcTree) -> None:
    line = lock_line("OFDLCK", -1)
    tree.add(WAITER, [in_fcntl(3, 38)], links={3: file()})
    tree.add(HOLDER, [working()])
    tree.add(OTHER, [on_futex()], parent=HOLDER, is_forked=True, links={5: file(line)})
    locks(tree, line)
    found = waits(resolved(tree, FileLockKind.OFD))
    assert found.keepers == (Keeper(tree.id(OTHER), tree.id(HOLDER), is_certain=False),)


def test_a_waiter_that_has_the_lock_itself_waits_for_its_other_threads(tree: ProcTree) -> None:
    line = lock_line("FLOCK", WAITER)
    tree.add(WAITER, [in_flock(3), working()], links={3: file(), 4: file(line)})
    locks(tree, line)
    assert tids(resolved(tree)) == {WAITER + 1}


def test_all_of_several_holders_end_the_wait(tree: ProcTree) -> None:
    lines = [lock_line("FLOCK", pid, access="READ") for pid in (HOLDER, OTHER)]
    tree.add(WAITER, [in_flock(3)], links={3: file()})
    for pid, line in zip((HOLDER, OTHER), lines, strict=True):
        tree.add(pid, [on_futex()], links={5: file(line)})
    locks(tree, *lines)
    assert tids(resolved(tree)) == {HOLDER, OTHER}


@pytest.mark.parametrize("kind", POSIX)
@pytest.mark.parametrize("other", ["POSIX", "OFDLCK"])
def test_posix_and_ofd_locks_are_in_each_others_way(tree: ProcTree, kind: FileLockKind, other: str) -> None:
    held(tree, lock_line(other, HOLDER))
    assert tids(resolved(tree, kind)) == {HOLDER, HOLDER + 1}


# who is hidden


def test_an_entry_that_no_descriptor_shows_has_a_hidden_holder(tree: ProcTree) -> None:
    held(tree)
    locks(tree, lock_line("FLOCK", HOLDER), lock_line("FLOCK", OTHER, access="READ"))
    assert why(resolved(tree)) == "not every holder of inode 77 is to be seen"


@pytest.mark.parametrize(("kind", "pid"), [("OFDLCK", -1), ("FLOCK", HOLDER)])
def test_of_two_entries_that_look_the_same_both_must_be_shown(tree: ProcTree, kind: str, pid: int) -> None:
    # Two open file descriptions with a shared lock each; OFD locks record nobody, so all of them look the same.
    line = lock_line(kind, pid, access="READ")
    held(tree, line)
    locks(tree, line, line)
    asked = FileLockKind.FLOCK if kind == "FLOCK" else FileLockKind.OFD
    assert isinstance(resolved(tree, asked), Unreadable)


def test_a_descriptor_that_may_not_be_described_may_have_the_lock_too(tree: ProcTree) -> None:
    held(tree)
    tree.add(HEIR + 1, [working()], parent=HOLDER, is_forked=True, links={5: file(lock_line("FLOCK", HOLDER))})
    tree.refuse(f"{HEIR + 1}/task/{HEIR + 1}/fdinfo/5")
    assert isinstance(resolved(tree), Unreadable)


def test_a_descriptor_that_was_closed_meanwhile_has_no_lock(tree: ProcTree) -> None:
    held(tree)
    tree.add(OTHER, [working()], links={5: file()})
    tree.refuse(f"{OTHER}/task/{OTHER}/fdinfo/5", "gone")
    assert tids(resolved(tree)) == {HOLDER, HOLDER + 1}


def test_one_whose_descriptors_may_not_be_read_may_have_the_lock_too(tree: ProcTree) -> None:
    held(tree)
    tree.add(OTHER)
    tree.refuse(f"{OTHER}/task/{OTHER}/fd")
    assert why(resolved(tree)) == f"pid {OTHER} may have it: not permitted"


def test_what_is_assumed_of_the_holders_is_assumed_of_the_wait(tree: ProcTree) -> None:
    line = lock_line("FLOCK", HOLDER)
    tree.add(OLD)
    tree.refuse(f"{OLD}/task/{OLD}/fd")
    tree.add(ROOT)
    tree.add(WAITER, [in_flock(3)], parent=ROOT, links={3: file()})
    tree.add(HOLDER, [on_futex()], parent=ROOT, links={5: file(line)})
    locks(tree, line)
    tree.scope = Scope(tree.id(ROOT))
    assert waits(resolved(tree)).assumes == (Assumption.A1,)


# locks that are in nobody's way


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        *((FileLockKind.FLOCK, other) for other in ("POSIX", "OFDLCK", "LEASE")),
        *((FileLockKind.POSIX, other) for other in ("FLOCK", "LEASE", "DELEG")),
        *((FileLockKind.OFD, other) for other in ("FLOCK", "LEASE")),
    ],
)
def test_locks_of_another_kind_are_not_waited_for(tree: ProcTree, kind: FileLockKind, other: str) -> None:
    held(tree, lock_line(other, HOLDER))
    assert why(resolved(tree, kind)) == "nobody has it: the wait is about to end"


@pytest.mark.parametrize("line", [lock_line(inode=78), lock_line(device="fe:03"), lock_line(device="fd:02"), ""])
def test_a_lock_on_another_file_is_not_waited_for(tree: ProcTree, line: str) -> None:
    held(tree)
    locks(tree, line, waiting_line(pid=WAITER))
    assert why(resolved(tree)) == "nobody has it: the wait is about to end"


@pytest.mark.parametrize("kind", KINDS)
def test_a_lock_that_only_others_wait_for_is_had_by_nobody(tree: ProcTree, kind: FileLockKind) -> None:
    held(tree)
    locks(tree, waiting_line(kind.value, HOLDER), waiting_line(kind.value, WAITER))
    assert why(resolved(tree, kind)) == "nobody has it: the wait is about to end"


# in a collect


def test_a_collect_shows_the_wait(tree: ProcTree) -> None:
    held(tree)
    view = seen(tree)
    assert view.wait == resolved(tree)
    assert view.live is None


def test_a_collect_shows_the_wait_for_a_posix_lock(tree: ProcTree) -> None:
    line = lock_line("POSIX", HOLDER)
    tree.add(WAITER, [in_fcntl(3)], links={3: file()})
    tree.add(HOLDER, [on_futex()], links={5: file(line)})
    locks(tree, line)
    assert seen(tree).wait == resolved(tree, FileLockKind.POSIX)
