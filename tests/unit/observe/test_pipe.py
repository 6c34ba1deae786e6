"""Who ends a read of a pipe: all holders of the write end. Who ends a write: all holders of either end."""

from __future__ import annotations

import pytest

from hangprobe.model import Assumption, Keeper, ProcessId, ThreadId, Unreadable, Wait, WaitKind
from hangprobe.observe.census import Scope
from hangprobe.observe.holders import Holders
from hangprobe.observe.waits import pipe
from hangprobe.observe.waits.shapes import Family, Shape

from .calls import Thread, in_read, in_write, on_futex, working
from .opened import opened, reads, reads_and_writes, writes
from .tree import ProcTree, seen

OLD, ROOT, READER, WRITER, OTHER = 40, 50, 100, 200, 300
PIPE = "pipe:[7]"
READ, WRITE = Shape(Family.PIPE_READ, False, descriptor=3), Shape(Family.PIPE_WRITE, False, descriptor=3)


def resolved(tree: ProcTree, shape: Shape = READ, pid: int = READER, tid: int | None = None) -> Wait | Unreadable:
    return pipe.resolve(ThreadId(tree.id(pid), tid or pid), shape, Holders(tree.scanned()))


def waits(found: Wait | Unreadable) -> Wait:
    assert isinstance(found, Wait), found
    return found


def tids(found: Wait | Unreadable) -> set[int]:
    return {waker.tid for waker in waits(found).wakers}


def why(found: Wait | Unreadable) -> str:
    assert isinstance(found, Unreadable), found
    return found.why


# reading


def test_a_read_ends_by_every_thread_of_every_holder_of_the_write_end(tree: ProcTree) -> None:
    tree.add(READER, [in_read(3)], links={3: reads(7)})
    tree.add(WRITER, [on_futex(), working()], links={4: writes(7)})
    tree.add(OTHER, [working()], links={1: writes(7), 2: writes(7)})
    found = waits(resolved(tree))
    assert (found.kind, found.object, found.assumes) == (WaitKind.PIPE_READ, PIPE, ())
    assert tids(found) == {WRITER, WRITER + 1, OTHER}


def test_another_reader_does_not_end_a_read(tree: ProcTree) -> None:
    tree.add(READER, [in_read(3)], links={3: reads(7)})
    tree.add(WRITER, [on_futex()], links={4: writes(7)})
    tree.add(OTHER, [working()], links={3: reads(7)})
    assert tids(resolved(tree)) == {WRITER}


def test_who_opened_the_pipe_for_both_ends_a_read(tree: ProcTree) -> None:
    tree.add(READER, [in_read(3)], links={3: reads(7)})
    tree.add(WRITER, [on_futex()], links={4: reads_and_writes(7)})
    assert tids(resolved(tree)) == {WRITER}


def test_a_pipe_whose_only_visible_writer_is_the_reader_itself_has_no_wakers(tree: ProcTree) -> None:
    tree.add(READER, [in_read(3)], links={3: reads(7), 4: writes(7)})
    found = waits(resolved(tree))
    assert (found.wakers, found.keepers) == (frozenset(), ())


def test_the_other_threads_of_a_reader_that_has_the_write_end_too_end_its_read(tree: ProcTree) -> None:
    tree.add(READER, [in_read(3), working()], links={3: reads(7), 4: writes(7)})
    assert tids(resolved(tree)) == {READER + 1}


def test_the_other_threads_of_a_reader_that_has_not_the_write_end_do_not(tree: ProcTree) -> None:
    tree.add(READER, [in_read(3), working()], links={3: reads(7)})
    tree.add(WRITER, [on_futex()], links={4: writes(7)})
    assert tids(resolved(tree)) == {WRITER}


def test_a_pipe_without_any_visible_writer_has_a_hidden_one(tree: ProcTree) -> None:
    tree.add(READER, [in_read(3)], links={3: reads(7)})
    tree.add(OTHER, [working()], links={3: reads(7)})
    assert why(resolved(tree)) == "no holder of the write end is to be seen, so one is hidden"


@pytest.mark.parametrize("info", ["", "flags:\tx\n", "pos:\t0\n"])
def test_an_end_whose_access_cannot_be_told_may_be_either(tree: ProcTree, info: str) -> None:
    tree.add(READER, [in_read(3)], links={3: reads(7)})
    tree.add(WRITER, [on_futex()], links={4: reads(7)})
    tree.write(f"{WRITER}/task/{WRITER}/fdinfo/4", info)
    assert tids(resolved(tree)) == {WRITER}


@pytest.mark.parametrize("reason", ["not permitted", "gone"])
def test_an_end_that_cannot_be_described_makes_the_read_live(tree: ProcTree, reason: str) -> None:
    # One that has gone may have been handed on to a process that was looked at before.
    tree.add(READER, [in_read(3)], links={3: reads(7), 4: writes(7)})
    tree.add(WRITER, [on_futex()], links={4: writes(7)})
    tree.refuse(f"{WRITER}/task/{WRITER}/fdinfo/4", reason)
    assert why(resolved(tree)) == reason


def test_a_writer_whose_threads_cannot_be_listed_makes_the_read_live(tree: ProcTree) -> None:
    tree.add(READER, [in_read(3)], links={3: reads(7)})
    tree.add(WRITER, [on_futex()], links={4: writes(7)})
    holders = Holders(tree.scanned())
    holders.links()
    holders.world._tasks[WRITER] = Unreadable("task", "not permitted")
    assert isinstance(pipe.resolve(ThreadId(tree.id(READER), READER), READ, holders), Unreadable)


# writing


def test_a_write_ends_by_every_thread_of_every_holder_of_either_end(tree: ProcTree) -> None:
    tree.add(WRITER, [in_write(3), working()], links={3: writes(7)})
    tree.add(READER, [on_futex(), working()], links={3: reads(7)})
    tree.add(OTHER, [working()], links={1: writes(7)})  # F_SETPIPE_SZ makes the pipe larger
    found = waits(resolved(tree, WRITE, WRITER))
    assert (found.kind, found.object, found.keepers) == (WaitKind.PIPE_WRITE, PIPE, ())
    assert tids(found) == {WRITER + 1, READER, READER + 1, OTHER}


def test_a_writer_that_alone_has_both_ends_has_no_wakers(tree: ProcTree) -> None:
    tree.add(WRITER, [in_write(3)], links={3: writes(7), 4: reads(7)})
    assert tids(resolved(tree, WRITE, WRITER)) == set()


def test_a_full_pipe_without_any_visible_reader_has_a_hidden_one(tree: ProcTree) -> None:
    tree.add(WRITER, [in_write(3)], links={3: writes(7)})
    tree.add(OTHER, [working()], links={1: writes(7)})
    assert why(resolved(tree, WRITE, WRITER)) == "no holder of the read end is to be seen, so one is hidden"


# what is no anonymous pipe, or not known


@pytest.mark.parametrize("shape", [READ, WRITE], ids=["read", "write"])
@pytest.mark.parametrize("link", ["/tmp/fifo", "/tmp/pipe:[7]", "socket:[7]", "anon_inode:[eventfd]", "/dev/pts/3"])
def test_what_others_may_open_by_name_is_live(tree: ProcTree, shape: Shape, link: str) -> None:
    tree.add(READER, [working()], links={3: opened(link), 4: opened(link)})
    assert "by name" in why(resolved(tree, shape))


@pytest.mark.parametrize("shape", [READ, WRITE], ids=["read", "write"])
def test_a_descriptor_that_cannot_be_read_is_live(tree: ProcTree, shape: Shape) -> None:
    tree.add(READER, [working()], links={4: reads(7), 5: writes(7)})
    assert why(resolved(tree, shape)) == "gone"


@pytest.mark.parametrize("shape", [READ, WRITE], ids=["read", "write"])
def test_where_somebody_may_hide_an_end_the_wait_is_live(tree: ProcTree, shape: Shape) -> None:
    tree.add(READER, [working()], links={3: reads_and_writes(7)})
    tree.add(OTHER)
    tree.refuse(f"{OTHER}/task/{OTHER}/fd")
    assert isinstance(resolved(tree, shape), Unreadable)


def test_the_descriptor_is_one_of_the_threads_own_table(tree: ProcTree) -> None:
    tree.add(READER, [in_read(3), in_read(3)], links={3: reads(7)}, tables={READER + 1: {3: reads(8)}})
    tree.same_files[frozenset({READER, READER + 1})] = False
    tree.add(WRITER, [on_futex()], links={4: writes(7)})
    tree.add(OTHER, [on_futex()], links={4: writes(8)})
    assert tids(resolved(tree)) == {WRITER}
    assert tids(resolved(tree, tid=READER + 1)) == {OTHER}


@pytest.mark.parametrize("shape", [READ, WRITE], ids=["read", "write"])
def test_what_is_assumed_of_the_holders_is_assumed_of_the_wait(tree: ProcTree, shape: Shape) -> None:
    tree.add(OLD)
    tree.refuse(f"{OLD}/task/{OLD}/fd")
    tree.add(ROOT)
    tree.add(READER, [working()], parent=ROOT, links={3: reads_and_writes(7)})
    tree.scope = Scope(tree.id(ROOT))
    assert waits(resolved(tree, shape)).assumes == (Assumption.A1,)


# who keeps the write end


def family(tree: ProcTree, *, parent_has_it: bool = False, stack: int | None = None) -> ProcessId:
    """Make a reader that forked a writer, which has the write end by that."""
    tree.add(READER, [in_read(3)], links={3: reads(7)} | ({4: writes(7)} if parent_has_it else {}))
    tree.add(WRITER, [on_futex()], parent=READER, is_forked=True, stack=stack, links={4: writes(7)})
    return tree.id(WRITER)


def test_a_forked_keeper_is_named_with_the_parent_that_has_given_the_write_end_up(tree: ProcTree) -> None:
    keeper = family(tree)
    assert waits(resolved(tree)).keepers == (Keeper(keeper, tree.id(READER)),)


def test_a_parent_that_still_has_the_write_end_has_not_given_it_up(tree: ProcTree) -> None:
    keeper = family(tree, parent_has_it=True)
    assert waits(resolved(tree)).keepers == (Keeper(keeper),)


def test_a_keeper_that_was_adopted_has_it_from_nobody_known(tree: ProcTree) -> None:
    keeper = family(tree, stack=5)
    assert waits(resolved(tree)).keepers == (Keeper(keeper),)


# in a collect


@pytest.mark.parametrize("wchan", ["pipe_read", "anon_pipe_read", "pipe_wait_readable", "pipe_wait"])
def test_a_collect_shows_a_reader_with_its_wait(tree: ProcTree, wchan: str) -> None:
    tree.add(READER, [in_read(3, wchan)], links={3: reads(7), 4: writes(7)})
    view = seen(tree)
    assert view.wait == Wait(WaitKind.PIPE_READ, PIPE, frozenset())
    assert view.live is None


@pytest.mark.parametrize("wchan", ["pipe_write", "anon_pipe_write", "pipe_wait_writable"])
def test_a_collect_shows_a_writer_with_its_wait(tree: ProcTree, wchan: str) -> None:
    tree.add(READER, [in_write(4, wchan)], links={3: reads(7), 4: writes(7)})
    assert seen(tree).wait == Wait(WaitKind.PIPE_WRITE, PIPE, frozenset())


def test_a_main_thread_that_has_left_hides_no_descriptor(tree: ProcTree) -> None:
    # Its own tables are empty; another thread of the process holds the write end.
    tree.add(READER, [in_read(3)], links={3: reads(7), 4: writes(7)})
    tree.add(WRITER, [Thread(state="Z"), working()], state="Z", tables={WRITER: {}}, links={4: writes(7)})
    assert tids(resolved(tree)) == {WRITER, WRITER + 1}
