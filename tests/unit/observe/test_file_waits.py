"""Which locks on files a rank waits for, and which it has, in words that another node understands."""

from __future__ import annotations

import struct

import pytest

from hangprobe.filewaits import END, Extent, FileHeld, FileWait, SharedFile
from hangprobe.judge.collects import threads
from hangprobe.model import Launcher, RankView, ThreadId
from hangprobe.observe.filewaits import holders_of, is_asleep, waits_of
from hangprobe.observe.snapshot import collect

from .calls import WORD, Thread, asleep, call, in_epoll, in_fcntl, in_flock, in_wait4, on_futex, working
from .opened import DISK, FILE, LUSTRE, MOUNTS, NFS, UNKNOWN, file, lock_line, waiting_line
from .tree import ARCH, HOST, ProcTree

MAIN, CHILD = 100, 200
KERNEL = "5ec1a446-f75a-466d-bfad-d0bda184132a"
ON_LUSTRE = SharedFile(FILE, 77, "lustre", "FLOCK")
WHOLE = Extent(is_exclusive=True)
SLOW = "ldlm_flock_completion_ast"


@pytest.fixture(autouse=True)
def kernel(tree: ProcTree) -> None:
    tree.write("sys/kernel/random/boot_id", f"{KERNEL}\n")


def rank(tree: ProcTree, *members: int) -> RankView:
    main = tree.id(MAIN)
    return RankView(3, Launcher.HYDRA, main, main, tuple(map(tree.id, members or (MAIN,))))


def waits(tree: ProcTree) -> tuple[FileWait, ...]:
    """Return the waits of rank 3 as a collect of its processes shows them."""
    views = threads(collect(tree.world(), [tree.id(MAIN)], is_second=True))
    return waits_of(tree.reader(), rank(tree), views, ARCH)


def holds(tree: ProcTree, *files: SharedFile) -> list[FileHeld]:
    members = [pid for pid in (MAIN, CHILD) if (tree.root / str(pid)).exists()]
    return list(holders_of(tree.reader(), HOST, [rank(tree, *members)], set(files)))


def in_lock(tree: ProcTree, thread: Thread | None = None, mount: int = LUSTRE, **changes: object) -> None:
    """Make a rank of one thread that waits for a lock on a file."""
    tree.add(MAIN, [thread or Thread(in_flock(3).syscall, SLOW)], links={3: file(mount=mount, **changes)})  # type: ignore[arg-type]


def request(kind: int = 1, whence: int = 0, start: int = 0, length: int = 0) -> bytes:
    """Return a `struct flock`: 0 F_RDLCK, 1 F_WRLCK; 0 SEEK_SET."""
    return struct.pack("=hh4xqqi", kind, whence, start, length, 0)


# which file


def test_on_a_file_system_of_several_nodes_a_file_is_its_path_and_inode(tree: ProcTree) -> None:
    in_lock(tree)
    assert waits(tree) == (FileWait(3, ON_LUSTRE, WHOLE),)


def test_on_any_other_it_is_of_one_kernel_and_device(tree: ProcTree) -> None:
    in_lock(tree, in_flock(3), mount=DISK)
    assert [wait.file for wait in waits(tree)] == [SharedFile(FILE, 77, f"{KERNEL} 254:2", "FLOCK")]


def test_over_nfs_all_kinds_of_locks_are_in_each_others_way(tree: ProcTree) -> None:
    in_lock(tree, mount=NFS)
    assert [(wait.file.system, wait.file.kind) for wait in waits(tree)] == [("nfs", "any")]


@pytest.mark.parametrize("option", ["local_lock=flock", "local_lock=all", "nolock"])
def test_a_mount_with_locks_of_its_own_is_one_machines(tree: ProcTree, option: str) -> None:
    mounts = MOUNTS.replace("rw,vers=4.2", f"rw,vers=3,{option}")
    tree.add(MAIN, [in_flock(3)], links={3: file(mount=NFS)}, mounts=mounts)
    assert [wait.file for wait in waits(tree)] == [SharedFile(FILE, 77, f"{KERNEL} 0:41", "FLOCK")]


@pytest.mark.parametrize("path", ["sys/kernel/random/boot_id", f"{MAIN}/task/{MAIN}/fdinfo", f"{MAIN}/task/{MAIN}/fd"])
def test_what_cannot_be_read_makes_no_wait(tree: ProcTree, path: str) -> None:
    in_lock(tree, in_flock(3), mount=DISK)
    tree.refuse(path)
    assert waits(tree) == ()


def test_neither_does_a_file_system_that_is_not_shown(tree: ProcTree) -> None:
    in_lock(tree, mount=UNKNOWN)
    assert waits(tree) == ()


def test_nor_a_kernel_that_shows_no_inodes(tree: ProcTree) -> None:
    in_lock(tree)
    info = tree.root / f"{MAIN}/task/{MAIN}/fdinfo/3"
    info.write_text("".join(line for line in info.read_text().splitlines(True) if not line.startswith("ino:")))
    assert waits(tree) == ()


# who waits


def test_a_rank_waits_if_the_child_does_that_it_waits_for(tree: ProcTree) -> None:
    tree.add(MAIN, [in_wait4(CHILD)])
    tree.add(CHILD, [Thread(in_flock(3).syscall, SLOW)], parent=MAIN, is_forked=True, links={3: file(mount=LUSTRE)})
    assert waits(tree) == (FileWait(3, ON_LUSTRE, WHOLE),)


def test_a_rank_waits_if_another_thread_does_that_it_waits_for(tree: ProcTree) -> None:
    tree.add(MAIN, [on_futex(), Thread(in_flock(3).syscall, SLOW)], links={3: file(mount=LUSTRE)})
    assert waits(tree) == (FileWait(3, ON_LUSTRE, WHOLE),)


@pytest.mark.parametrize("other", [working(), in_epoll(), asleep()])
def test_not_if_something_else_may_go_on(tree: ProcTree, other: Thread) -> None:
    tree.add(MAIN, [on_futex(), Thread(in_flock(3).syscall, SLOW), other], links={3: file(mount=LUSTRE)})
    assert waits(tree) == ()


def test_not_if_more_than_what_is_in_sight_may_end_its_wait(tree: ProcTree) -> None:
    tree.add(MAIN, [on_futex(), Thread(in_flock(3).syscall, SLOW)], links={3: file(mount=LUSTRE)})
    views = threads(collect(tree.world(), [tree.id(MAIN)], is_second=True))
    main = ThreadId(tree.id(MAIN), MAIN)
    hidden = {**views, main: views[main].but(live="pid 7 may have it: not permitted")}
    assert waits_of(tree.reader(), rank(tree), hidden, ARCH) == ()


@pytest.mark.parametrize("main", [working(), asleep(), in_epoll()])
def test_a_rank_that_works_beside_a_thread_that_waits_does_not(tree: ProcTree, main: Thread) -> None:
    tree.add(MAIN, [main, Thread(in_flock(3).syscall, SLOW)], links={3: file(mount=LUSTRE)})
    assert waits(tree) == ()


def test_one_that_has_moved_on_since_it_was_seen_does_not(tree: ProcTree) -> None:
    tree.add(MAIN, [Thread(in_flock(3).syscall, SLOW)], links=dict.fromkeys((3, 4), file(mount=LUSTRE)))
    views = threads(collect(tree.world(), [tree.id(MAIN)], is_second=True))
    tree.thread(MAIN, MAIN, Thread(in_flock(4).syscall, SLOW))
    assert waits_of(tree.reader(), rank(tree), views, ARCH) == ()


@pytest.mark.parametrize("wchan", ["get_signal", "do_freezer_trap", "do_signal_stop", "0"])
def test_one_that_is_stopped_or_frozen_in_the_call_does_not(tree: ProcTree, wchan: str) -> None:
    in_lock(tree, Thread(in_flock(3).syscall, wchan))
    assert waits(tree) == ()


def test_on_a_local_file_system_the_kernel_function_must_fit(tree: ProcTree) -> None:
    in_lock(tree, Thread(in_flock(3).syscall, SLOW), mount=DISK)
    assert waits(tree) == ()


def test_who_only_tries_does_not_wait(tree: ProcTree) -> None:
    in_lock(tree, Thread(call(73, 3, 2 | 4), SLOW))
    assert waits(tree) == ()


# what is to be locked


def test_a_shared_lock_is_told_from_an_exclusive_one(tree: ProcTree) -> None:
    in_lock(tree, Thread(call(73, 3, 1), SLOW))
    assert [wait.extent for wait in waits(tree)] == [Extent(is_exclusive=False)]


@pytest.mark.parametrize(
    ("data", "extent"),
    [
        (request(), Extent(True, 0, END)),
        (request(0, start=10), Extent(False, 10, END)),
        (request(start=10, length=5), Extent(True, 10, 14)),
        (request(start=10, length=-5), Extent(True, 5, 9)),
    ],
)
def test_bytes_are_read_where_fcntl_was_told_them(tree: ProcTree, data: bytes, extent: Extent) -> None:
    in_lock(tree, in_fcntl(3))
    tree.remember(MAIN, WORD, data)
    assert [(wait.file.kind, wait.extent) for wait in waits(tree)] == [("POSIX", extent)]


@pytest.mark.parametrize(
    "data",
    [request(whence=1), request(whence=2), request(start=-1), request(start=2, length=-5), request()[:20], None],
)
def test_bytes_that_are_not_known_are_not_guessed(tree: ProcTree, data: bytes | None) -> None:
    in_lock(tree, in_fcntl(3))
    if data is not None:
        tree.remember(MAIN, WORD, data)
    assert waits(tree) == ()


# who has it


def test_a_process_has_what_its_descriptors_show(tree: ProcTree) -> None:
    tree.add(MAIN, [working()], links={5: file(lock_line(), mount=LUSTRE), 6: "/dev/null"})
    assert holds(tree, ON_LUSTRE) == [FileHeld(HOST, 3, MAIN, ON_LUSTRE, WHOLE)]


def test_a_child_has_it_too(tree: ProcTree) -> None:
    links = {5: file(lock_line(), mount=LUSTRE)}
    tree.add(MAIN, [working()], links=links)
    tree.add(CHILD, [working()], parent=MAIN, is_forked=True, links=links)
    assert [lock.pid for lock in holds(tree, ON_LUSTRE)] == [MAIN, CHILD]


@pytest.mark.parametrize(
    "shown",
    [
        file(mount=LUSTRE),
        file(waiting_line(), mount=LUSTRE),
        file(lock_line("LEASE"), mount=LUSTRE),
        file(lock_line("POSIX"), mount=LUSTRE),
        file(lock_line(), mount=DISK),
        file(lock_line(), mount=LUSTRE, inode=78),
        file(lock_line(), mount=LUSTRE, link="/scratch/other"),
    ],
)
def test_whoever_has_another_file_or_no_lock_on_it_does_not(tree: ProcTree, shown: object) -> None:
    tree.add(MAIN, [working()], links={5: shown})  # type: ignore[dict-item]
    assert holds(tree, ON_LUSTRE) == []


def test_bytes_and_kind_of_a_lock_are_those_that_it_shows(tree: ProcTree) -> None:
    line = lock_line("OFDLCK", -1, access="READ").replace("0 EOF", "10 19")
    tree.add(MAIN, [working()], links={5: file(line, mount=LUSTRE)})
    wanted = ON_LUSTRE.but(kind="POSIX")
    assert [lock.extent for lock in holds(tree, wanted)] == [Extent(False, 10, 19)]


# who sleeps


@pytest.mark.parametrize(
    ("other", "expected"), [(in_epoll(), True), (on_futex(), True), (asleep(), False), (working(), False)]
)
def test_a_process_is_asleep_if_no_thread_of_it_runs_or_comes_back_by_itself(
    tree: ProcTree, other: Thread, expected: bool
) -> None:
    tree.add(MAIN, [on_futex(), other])
    assert is_asleep(tree.reader(), MAIN, ARCH) is expected


def test_one_that_has_gone_is_not_asleep(tree: ProcTree) -> None:
    assert not is_asleep(tree.reader(), MAIN, ARCH)
