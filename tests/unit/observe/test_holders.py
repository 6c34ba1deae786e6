"""Who has an object: every process whose descriptors can be read; whatever could hide another makes it unknown."""

from __future__ import annotations

import pytest

from hangprobe.model import Unreadable
from hangprobe.observe import holders
from hangprobe.observe.holders import REFUSED, UNSETTLED, Found, Holders
from hangprobe.observe.procfs import PF_KTHREAD
from hangprobe.observe.tables import Holding
from hangprobe.observe.world import World

from .calls import Thread, working
from .opened import Open, opened, reads, unix_socket, writes
from .tree import ARCH, ProcTree, plain

RANK, CHILD, OTHER = 100, 200, 300
PIPE = "pipe:[7]"


def found(tree: ProcTree, link: str = PIPE) -> Found | Unreadable:
    return Holders(tree.scanned()).of(link)


def pids(tree: ProcTree, link: str = PIPE) -> tuple[int, ...]:
    seen = found(tree, link)
    assert isinstance(seen, Found), seen
    assert seen.assumes == ()
    return seen.pids


def why(tree: ProcTree, link: str = PIPE) -> str:
    seen = found(tree, link)
    assert isinstance(seen, Unreadable), seen
    assert seen.what == link
    return seen.why


def pair(tree: ProcTree) -> None:
    """Make two processes with the ends of a pipe."""
    tree.add(RANK, links={0: "/dev/null", 3: reads(7)})
    tree.add(CHILD, links={4: writes(7), 5: writes(8), 6: "/scratch/log"})


# who has it


def test_every_descriptor_of_every_process_is_found(tree: ProcTree) -> None:
    pair(tree)
    assert found(tree) == Found((Holding(RANK, "100/task/100", 3), Holding(CHILD, "200/task/200", 4)), ())
    assert pids(tree, "pipe:[8]") == (CHILD,)


def test_an_object_that_nobody_has_has_no_holders(tree: ProcTree) -> None:
    pair(tree)
    assert pids(tree, "pipe:[9]") == ()


def test_a_process_with_several_descriptors_of_one_object_is_named_once(tree: ProcTree) -> None:
    tree.add(RANK, links={3: reads(7), 4: writes(7), 5: writes(7)})
    assert pids(tree) == (RANK,)


def test_the_fdinfo_of_a_holding_tells_the_end_of_a_pipe(tree: ProcTree) -> None:
    pair(tree)
    seen = Holders(tree.scanned())
    read, write = (seen.describe(holding) for holding in seen.links()[PIPE])
    assert not isinstance(read, Unreadable)
    assert not isinstance(write, Unreadable)
    assert ((read.can_read, read.can_write), (write.can_read, write.can_write)) == ((True, False), (False, True))


# who may have it without showing it


def test_a_process_whose_descriptors_may_not_be_listed_may_have_everything(tree: ProcTree) -> None:
    pair(tree)
    tree.add(OTHER)
    tree.refuse(f"{OTHER}/task/{OTHER}/fd")
    assert why(tree) == f"pid {OTHER} may have it: {REFUSED}"


def test_one_descriptor_that_may_not_be_read_makes_its_process_a_possible_holder_of_everything(tree: ProcTree) -> None:
    pair(tree)
    tree.add(OTHER, links={0: "/dev/null", 1: "/dev/null"})
    tree.refuse(f"{OTHER}/task/{OTHER}/fd/1")
    assert why(tree) == f"pid {OTHER} may have it: {REFUSED}"


@pytest.mark.parametrize("path", ["fd", "fd/1"])
def test_what_has_gone_meanwhile_has_nothing(tree: ProcTree, path: str) -> None:
    pair(tree)
    tree.add(OTHER, links={0: "/dev/null", 1: "/dev/null"})
    tree.refuse(f"{OTHER}/task/{OTHER}/{path}", "gone")
    assert pids(tree) == (RANK, CHILD)


def test_a_process_that_is_known_to_have_it_need_not_show_the_rest(tree: ProcTree) -> None:
    pair(tree)
    tree.refuse(f"{CHILD}/task/{CHILD}/fd/6")
    assert pids(tree) == (RANK, CHILD)
    assert why(tree, "pipe:[9]") == f"pid {CHILD} may have it: {REFUSED}"


@pytest.mark.parametrize("state", ["Z", "X"])
@pytest.mark.parametrize("count", [0, 1])
def test_what_has_ended_has_nothing(tree: ProcTree, state: str, count: int) -> None:
    pair(tree)
    tree.add(OTHER, [Thread(state=state)], state=state, thread_count=count)
    tree.refuse(f"{OTHER}/task/{OTHER}/fd")
    assert pids(tree) == (RANK, CHILD)


def test_kernel_threads_have_nothing(tree: ProcTree) -> None:
    pair(tree)
    tree.add(OTHER, flags=PF_KTHREAD)
    tree.refuse(f"{OTHER}/task/{OTHER}/fd")
    assert pids(tree) == (RANK, CHILD)


def test_the_descriptors_of_a_process_whose_main_thread_has_left_are_read_through_another(tree: ProcTree) -> None:
    tree.add(RANK, [Thread(state="Z"), working()], state="Z", tables={RANK: {}}, links={3: writes(7)})
    assert found(tree) == Found((Holding(RANK, f"{RANK}/task/{RANK + 1}", 3),), ())


def test_a_process_whose_main_thread_has_left_may_have_what_its_other_thread_hides(tree: ProcTree) -> None:
    pair(tree)
    tree.add(OTHER, [Thread(state="Z"), working()], state="Z")
    tree.refuse(f"{OTHER}/task/{OTHER + 1}/fd")
    assert why(tree) == f"pid {OTHER} may have it: {REFUSED}"


# threads with descriptors of their own (unshare(CLONE_FILES))


def threaded(tree: ProcTree, answer: bool | None, state: str = "S") -> None:
    pair(tree)
    tree.add(OTHER, [working(), Thread(state=state)], tables={OTHER: {}}, links={8: writes(7)})
    tree.same_files[frozenset({OTHER, OTHER + 1})] = answer


def test_the_descriptors_of_a_thread_with_a_table_of_its_own_are_its_processs_too(tree: ProcTree) -> None:
    threaded(tree, answer=False)
    seen = found(tree)
    assert isinstance(seen, Found)
    assert seen.holdings[-1] == Holding(OTHER, f"{OTHER}/task/{OTHER + 1}", 8)


def test_a_table_that_is_shared_is_read_once(tree: ProcTree) -> None:
    tree.add(RANK, [working(), working(), working()], links={3: writes(7)})
    assert found(tree) == Found((Holding(RANK, f"{RANK}/task/{RANK}", 3),), ())


def test_a_thread_that_may_have_a_table_of_its_own_makes_its_process_a_possible_holder(tree: ProcTree) -> None:
    threaded(tree, answer=None)
    assert why(tree) == f"pid {OTHER} may have it: whether thread {OTHER + 1} has descriptors of its own cannot be told"


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_thread_that_has_ended_has_no_table(tree: ProcTree, state: str) -> None:
    threaded(tree, answer=None, state=state)
    assert pids(tree) == (RANK, CHILD)


def test_a_thread_whose_own_descriptors_may_not_be_read_makes_its_process_a_possible_holder(tree: ProcTree) -> None:
    threaded(tree, answer=False)
    tree.refuse(f"{OTHER}/task/{OTHER + 1}/fd")
    assert why(tree) == f"pid {OTHER} may have it: {REFUSED}"


def test_a_process_whose_threads_cannot_be_listed_is_a_possible_holder(tree: ProcTree) -> None:
    pair(tree)
    tree.add(OTHER, [working(), working()])
    world = tree.scanned()
    world._tasks[OTHER] = Unreadable(f"{OTHER}/task", REFUSED)  # while the table of its main thread can be read
    assert plain(Holders(world).of(PIPE)) == Unreadable(PIPE, f"pid {OTHER} may have it: {REFUSED}")


# processes that come and go


class Restless(World):
    """A world in which each of the first looks at the list of processes brings one more."""

    tree: ProcTree
    coming: int

    def scan(self) -> None:
        """Read the list of processes."""
        if self.coming:
            self.coming -= 1
            self.tree.add(900 + self.coming, links={3: writes(7)})
        World.scan(self)


def restless(tree: ProcTree, coming: int) -> Holders:
    """Return the holders of a world that has been read once."""
    world = Restless(tree.reader(), "node01", ARCH, same_files=lambda *_: True)
    world.tree, world.coming = tree, 0
    world.scan()
    world.coming = coming
    return Holders(world)


def test_a_process_that_comes_during_the_look_is_looked_at_too(tree: ProcTree) -> None:
    pair(tree)
    seen = restless(tree, 1).of(PIPE)
    assert isinstance(seen, Found)
    assert seen.pids == (RANK, CHILD, 900)


def test_where_processes_come_at_each_look_nothing_is_known(tree: ProcTree) -> None:
    pair(tree)
    assert plain(restless(tree, 99).of(PIPE)) == Unreadable(PIPE, UNSETTLED)


def test_where_the_list_of_processes_is_not_settled_nothing_is_known(tree: ProcTree) -> None:
    pair(tree)
    (tree.root / "77").mkdir()  # listed, and gone when it is read: whom did it leave behind?
    assert why(tree) == UNSETTLED


# descriptors on their way through a unix socket


def test_while_descriptors_are_in_flight_nothing_is_known(tree: ProcTree) -> None:
    pair(tree)
    tree.add(OTHER, links={3: unix_socket(40), 4: unix_socket(41, in_flight=1)})
    assert why(tree) == f"descriptors are in flight to socket:[41] of pid {OTHER}"


def test_sockets_with_nothing_in_flight_hide_nothing(tree: ProcTree) -> None:
    pair(tree)
    tree.add(OTHER, links={3: unix_socket(40), 4: opened("socket:[42]")})
    assert pids(tree) == (RANK, CHILD)


def test_on_a_kernel_that_does_not_count_descriptors_in_flight_nothing_is_known(
    tree: ProcTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair(tree)
    monkeypatch.setattr(holders, "_has_count", False)
    assert why(tree) == "this kernel does not count descriptors in flight"


@pytest.mark.parametrize("reason", [REFUSED, "gone"])
def test_a_socket_that_its_first_holder_has_closed_meanwhile_is_asked_about_elsewhere(
    tree: ProcTree, reason: str
) -> None:
    pair(tree)
    tree.add(OTHER, links={3: unix_socket(40)})
    tree.add(OTHER + 1, links={3: unix_socket(40, in_flight=1)})
    tree.refuse(f"{OTHER}/task/{OTHER}/fdinfo/3", reason)
    assert isinstance(found(tree), Unreadable)


# who has a piece of memory: asked one by one


def test_those_who_say_so_map_it(tree: ProcTree) -> None:
    pair(tree)
    assert Holders(tree.scanned()).mappers(lambda pid: pid == CHILD) == [CHILD]


def test_who_cannot_be_asked_may_map_it(tree: ProcTree) -> None:
    pair(tree)
    seen = Holders(tree.scanned())
    assert seen.mappers(lambda pid: Unreadable("maps", "late") if pid == CHILD else False) == []
    assert plain(seen.judge("memory", [])) == Unreadable("memory", f"pid {CHILD} may have it: late")


def test_who_has_gone_maps_nothing(tree: ProcTree) -> None:
    pair(tree)
    seen = Holders(tree.scanned())
    seen.mappers(lambda pid: Unreadable("maps", "gone"))
    assert seen.judge("memory", []) == Found((), ())


def test_where_processes_come_while_they_are_asked_nothing_is_known(tree: ProcTree) -> None:
    pair(tree)
    seen = restless(tree, 0)
    seen.links()
    assert isinstance(seen.world, Restless)
    seen.world.coming = 99
    seen.mappers(lambda pid: False)
    assert plain(seen.judge("memory", [])) == Unreadable("memory", UNSETTLED)


def test_links_are_read_once_a_collect(tree: ProcTree) -> None:
    pair(tree)
    seen = Holders(tree.scanned())
    before = seen.of(PIPE)
    tree.add(OTHER, links=dict[int, str | Open]({3: writes(7)}))
    assert seen.of(PIPE) == before
