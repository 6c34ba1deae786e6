"""A wait for a lock on a file is live where not all that could have the lock is to be seen from here."""

from __future__ import annotations

import pytest

from hangprobe.model import ThreadId, Unreadable
from hangprobe.observe.holders import Holders
from hangprobe.observe.waits import filelock
from hangprobe.observe.waits.shapes import Family, FileLockKind, Shape

from .calls import in_flock
from .locked import HOLDER, OTHER, WAITER, held, locks, resolved, tids, why
from .opened import LUSTRE, NFS, UNKNOWN, file, lock_line, opened
from .tree import ProcTree

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
