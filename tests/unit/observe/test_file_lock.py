"""Who ends a wait for a lock on a file: those who have the lock, if every one of them is to be seen."""

from __future__ import annotations

import pytest

from hangprobe.model import Assumption, Keeper, ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.census import Scope
from hangprobe.observe.holders import Holders
from hangprobe.observe.waits import filelock
from hangprobe.observe.waits.shapes import Family, FileLockKind, Shape

from .calls import in_fcntl, in_flock, on_futex, working
from .opened import FILE, LUSTRE, NFS, UNKNOWN, file, lock_line, opened, waiting_line
from .tree import ProcTree, seen

OLD, ROOT, WAITER, HOLDER, HEIR, OTHER = 40, 50, 100, 200, 201, 300
KINDS = list(FileLockKind)
POSIX = [FileLockKind.POSIX, FileLockKind.OFD]


def resolved(tree: ProcTree, kind: FileLockKind = FileLockKind.FLOCK) -> Wait | Unreadable:
    shape = Shape(Family.FILE_LOCK, False, descriptor=3, lock=kind)
    return filelock.resolve(ThreadId(tree.id(WAITER), WAITER), shape, Holders(tree.scanned()))


def waits(found: Wait | Unreadable) -> Wait:
    assert isinstance(found, Wait), found
    return found


def tids(found: Wait | Unreadable) -> set[int]:
    return {waker.tid for waker in waits(found).wakers}


def why(found: Wait | Unreadable) -> str:
    assert isinstance(found, Unreadable), found
    return found.why


def locks(tree: ProcTree, *lines: str) -> None:
    tree.write("locks", "".join(f"{line}\n" for line in lines))


def held(tree: ProcTree, line: str | None = None) -> None:
    """Make a waiter, and a holder of two threads with the lock that it waits for."""
    line = line or lock_line("FLOCK", HOLDER)
    tree.add(WAITER, [in_flock(3)], links={3: file()})
    tree.add(HOLDER, [on_futex(), working()], links={0: "/dev/null", 5: file(line)})
    locks(tree, line, waiting_line(pid=WAITER))


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


# files of other machines, and what cannot be read


@pytest.mark.parametrize(("mount", "kind"), [(NFS, "nfs4"), (LUSTRE, "lustre")])
def test_a_file_of_a_cluster_may_be_locked_on_another_node(tree: ProcTree, mount: int, kind: str) -> None:
    held(tree)
    tree.remove(WAITER)
    tree.add(WAITER, [in_flock(3)], links={3: file(mount=mount)})
    assert why(resolved(tree)) == f"the file is on {kind}: its holder may be on another node"


@pytest.mark.parametrize("kind", ["gpfs", "beegfs", "ceph", "fuse.sshfs", "cifs", "9p", "btrfs", "afs", "new-fs"])
def test_a_file_system_that_is_not_known_to_be_local_is_live(tree: ProcTree, kind: str) -> None:
    held(tree)
    tree.write(f"{WAITER}/task/{WAITER}/mountinfo", f"15 1 254:2 / /scratch rw - {kind} src rw\n")
    assert "another node" in why(resolved(tree))


@pytest.mark.parametrize("kind", ["ext4", "xfs", "tmpfs", "overlay", "zfs"])
def test_on_a_local_file_system_the_kernel_knows_all(tree: ProcTree, kind: str) -> None:
    held(tree)
    tree.write(f"{WAITER}/task/{WAITER}/mountinfo", f"15 1 254:2 / /scratch rw master:3 - {kind} src rw\n")
    assert tids(resolved(tree)) == {HOLDER, HOLDER + 1}


@pytest.mark.parametrize(
    "info",
    [file(mount=UNKNOWN).info, "flags:\t02\nino:\t77\n", "flags:\t02\nmnt_id:\t15\n", "mnt_id:\tx\nino:\t77\n", ""],
    ids=["other mount", "no mount", "no inode", "garbage", "empty"],
)
def test_a_file_whose_file_system_cannot_be_told_is_live(tree: ProcTree, info: str) -> None:
    held(tree)
    tree.write(f"{WAITER}/task/{WAITER}/fdinfo/3", info)
    assert why(resolved(tree)) == "on which file system the file is cannot be read"


@pytest.mark.parametrize("path", [f"{WAITER}/task/{WAITER}/fdinfo/3", f"{WAITER}/task/{WAITER}/mountinfo", "locks"])
def test_a_wait_of_which_a_needed_file_cannot_be_read_is_live(tree: ProcTree, path: str) -> None:
    held(tree)
    tree.refuse(path)
    assert "cannot be read" in why(resolved(tree))


def test_a_table_of_locks_with_a_line_that_is_not_understood_is_live(tree: ProcTree) -> None:
    held(tree)
    locks(tree, lock_line("FLOCK", HOLDER), "2: FLOCK  ADVISORY  WRITE <none>:0 0 EOF")
    assert why(resolved(tree)) == "/proc/locks is not understood"


def test_holders_whose_threads_cannot_be_listed_make_the_wait_live(tree: ProcTree) -> None:
    held(tree)
    holders = Holders(tree.scanned())
    holders.links()
    shape = Shape(Family.FILE_LOCK, False, descriptor=3, lock=FileLockKind.FLOCK)
    holders.world._tasks[HOLDER] = Unreadable("task", "not permitted")
    assert isinstance(filelock.resolve(ThreadId(tree.id(WAITER), WAITER), shape, holders), Unreadable)


def test_no_file_of_the_file_system_itself_is_touched(tree: ProcTree) -> None:
    # The link leads nowhere in this tree: a dead file system would not answer either.
    held(tree)
    tree.add(OTHER, links={5: opened("/lus/dead/file")})
    assert tids(resolved(tree)) == {HOLDER, HOLDER + 1}


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
