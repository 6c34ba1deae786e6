"""Who is whose child, and what is known of a process, in one collect."""

from __future__ import annotations

import pytest

from hangprobe.model import ProcessId, ThreadId, Unreadable
from hangprobe.observe.census import Scope
from hangprobe.observe.world import World

from .calls import Thread, in_wait4, on_futex, working
from .opened import reads
from .tree import ARCH, HEAP, HOST, LIBPYTHON, ProcTree

GRAND, PARENT, CHILD, OTHER = 50, 100, 200, 300


def family(tree: ProcTree) -> World:
    tree.add(GRAND)
    tree.add(PARENT, parent=GRAND)
    tree.add(CHILD, [working(), working()], parent=PARENT, is_forked=True)
    tree.add(OTHER, parent=PARENT)
    return tree.scanned()


def test_descendants_come_nearest_first_and_ancestors_too(tree: ProcTree) -> None:
    world = family(tree)
    assert world.children(PARENT) == [CHILD, OTHER]
    assert world.descendants(GRAND) == [PARENT, CHILD, OTHER]
    assert world.ancestors(CHILD) == [PARENT, GRAND, 1]
    assert (world.descendants(CHILD), world.children(9)) == ([], [])


class Patient(World):
    """A world that gives up where a walk would not end."""

    def children(self, pid: int) -> list[int]:
        """Return the children; raises after a hundred questions."""
        self.stats[-1 - len(self.stats)] = self.stats[PARENT]
        if len(self.stats) > 100:
            raise RecursionError("a walk down the tree does not end")
        return super().children(pid)


def test_a_circle_of_parents_is_no_endless_walk(tree: ProcTree) -> None:
    # Possible where a pid is given out anew while the list of processes is being read.
    tree.add(PARENT, parent=CHILD)
    tree.add(CHILD, parent=PARENT)
    world = Patient(tree.reader(), HOST, ARCH)
    world.scan()
    assert world.ancestors(PARENT) == [CHILD, PARENT]
    assert set(world.descendants(PARENT)) == {CHILD, PARENT}


def test_a_process_is_known_by_host_pid_and_start_time(tree: ProcTree) -> None:
    world = family(tree)
    assert world.process(CHILD) == ProcessId(HOST, CHILD, 1000 + CHILD)
    assert world.process(77) is None


def test_the_threads_of_a_process_are_its_tasks(tree: ProcTree) -> None:
    world = family(tree)
    process = ProcessId(HOST, CHILD, 1000 + CHILD)
    assert world.threads(CHILD) == frozenset({ThreadId(process, CHILD), ThreadId(process, CHILD + 1)})
    assert isinstance(world.threads(77), Unreadable)


def test_a_process_that_came_while_the_list_was_read_is_seen(tree: ProcTree) -> None:
    world = family(tree)
    tree.add(400)
    world.scan()
    assert world.is_settled
    assert world.process(400) is not None


def test_a_list_that_cannot_be_read_is_not_settled(tree: ProcTree) -> None:
    world = World(tree.reader(), HOST, ARCH)
    world.reader.root += "/nowhere"
    world.scan()
    assert not world.is_settled


def test_a_fork_parent_is_the_parent_with_the_same_start_of_stack(tree: ProcTree) -> None:
    world = family(tree)
    assert (world.fork_parent(CHILD), world.fork_parent(OTHER), world.fork_parent(77)) == (PARENT, None, None)


@pytest.mark.parametrize("stack", [0, 9])
def test_who_adopted_an_orphan_or_hides_its_stack_is_no_fork_parent(tree: ProcTree, stack: int) -> None:
    tree.add(PARENT)
    tree.add(CHILD, parent=PARENT, is_forked=True, stack=stack)
    assert tree.scanned().fork_parent(CHILD) is None


def test_init_is_nobodys_fork_parent(tree: ProcTree) -> None:
    tree.add(1, parent=0)
    tree.add(CHILD, parent=1, is_forked=True)
    assert tree.scanned().fork_parent(CHILD) is None


def test_each_fact_is_read_once_a_collect(tree: ProcTree) -> None:
    world = family(tree)
    before = (world.status(CHILD), world.maps(CHILD), world.links(CHILD), world.word_size(CHILD), world.tasks(CHILD))
    tree.remove(CHILD)
    after = (world.status(CHILD), world.maps(CHILD), world.links(CHILD), world.word_size(CHILD), world.tasks(CHILD))
    assert before == after


def test_tracees_are_found_by_their_tracer(tree: ProcTree) -> None:
    tree.add(PARENT)
    tree.add(CHILD, tracer=PARENT)
    world = tree.scanned()
    assert (world.tracees(PARENT), world.tracees(CHILD)) == ([CHILD], [])


@pytest.mark.parametrize(("is_64_bit", "size"), [(True, 8), (False, 4)])
def test_the_word_size_of_a_program_is_that_of_its_headers(tree: ProcTree, is_64_bit: bool, size: int) -> None:
    tree.add(PARENT, is_64_bit=is_64_bit)
    assert tree.scanned().word_size(PARENT) == size


def test_facts_are_read_through_a_thread_that_lives(tree: ProcTree) -> None:
    tree.add(PARENT, [Thread(state="Z"), working()], links={4: "pipe:[1]"})
    (tree.root / f"{PARENT}/task/{PARENT}/fd/4").unlink()
    assert tree.scanned().links(PARENT) == {4: "pipe:[1]"}


def test_kernel_threads_share_nobodys_memory(tree: ProcTree) -> None:
    tree.add(PARENT, [on_futex()], is_forked=True, stack=0)
    tree.add(OTHER, [in_wait4(-1)], is_forked=True, stack=0)
    stat = (tree.root / f"{OTHER}/stat").read_text()
    head, _, rest = stat.rpartition(")")
    words = rest.split()
    words[6] = str(0x200040)
    tree.write(f"{OTHER}/stat", f"{head}) {' '.join(words)}\n")
    assert tree.scanned({frozenset({PARENT, OTHER}): True}).sharers(PARENT) == []


# what belongs to the job


def test_the_job_is_its_root_and_everything_below(tree: ProcTree) -> None:
    world = family(tree)
    world.scope = Scope(ProcessId(HOST, PARENT, 1000 + PARENT))
    assert [pid for pid in (GRAND, PARENT, CHILD, OTHER) if world.is_in_scope(pid)] == [PARENT, CHILD, OTHER]


def test_nothing_belongs_to_a_job_whose_root_is_another_process_by_now(tree: ProcTree) -> None:
    world = family(tree)
    world.scope = Scope(ProcessId(HOST, PARENT, 1))
    assert not any(world.is_in_scope(pid) for pid in (GRAND, PARENT, CHILD, OTHER))
    world.scope = None
    assert not world.is_in_scope(PARENT)


def test_fork_ancestors_are_those_from_which_it_descends_by_fork_alone(tree: ProcTree) -> None:
    tree.add(GRAND)
    tree.add(PARENT, parent=GRAND, is_forked=True)
    tree.add(CHILD, parent=PARENT, is_forked=True)
    tree.add(OTHER, parent=CHILD)
    world = tree.scanned()
    assert (world.fork_ancestors(CHILD), world.fork_ancestors(OTHER)) == ([PARENT, GRAND], [])


def test_a_circle_of_fork_parents_is_no_endless_walk(tree: ProcTree) -> None:
    tree.add(PARENT, parent=CHILD, is_forked=True, stack=5)
    tree.add(CHILD, parent=PARENT, is_forked=True, stack=5)
    assert tree.scanned().fork_ancestors(PARENT) == [CHILD, PARENT]


# numbers in PID namespaces


def test_a_thread_has_a_number_in_each_namespace(tree: ProcTree) -> None:
    tree.add(PARENT, [working(), working()], namespaces="100\t1", task_pids={PARENT + 1: "101\t2"})
    assert tree.scanned().task_pids(PARENT, PARENT + 1) == (101, 2)


def test_in_the_outermost_namespace_a_thread_has_the_number_of_this_proc(tree: ProcTree) -> None:
    tree.add(PARENT, [working(), working()])
    assert tree.scanned().task_pids(PARENT, PARENT + 1) == (PARENT + 1,)


@pytest.mark.parametrize("path", [f"{PARENT}/status", f"{PARENT}/task/{PARENT}/status"])
def test_a_thread_whose_numbers_cannot_be_read_has_none(tree: ProcTree, path: str) -> None:
    tree.add(PARENT, namespaces="100\t1")
    tree.refuse(path)
    assert isinstance(tree.scanned().task_pids(PARENT, PARENT), Unreadable)


# what need not be read again


def test_the_names_of_mapped_files_last_while_the_memory_has_the_same_size(tree: ProcTree) -> None:
    tree.add(PARENT)
    first, second = tree.scanned(), tree.scanned()
    second.lasting = first.lasting
    assert first.names(PARENT) == {"libpython3.11.so.1.0"}
    tree.write(f"{PARENT}/task/{PARENT}/maps", f"{HEAP}\n")
    assert second.names(PARENT) == first.names(PARENT)


@pytest.mark.parametrize("change", [{"vsize": 5}, {"stack": 5}, {"start": 5}])
def test_they_are_read_again_when_the_memory_or_the_program_is_another(tree: ProcTree, change: dict[str, int]) -> None:
    tree.add(PARENT)
    first = tree.scanned()
    first.names(PARENT)
    tree.remove(PARENT)
    tree.add(
        PARENT, maps=[HEAP], vsize=change.get("vsize", 12_943_360), stack=change.get("stack"), start=change.get("start")
    )
    second = tree.scanned()
    second.lasting = first.lasting
    assert second.names(PARENT) == frozenset()


def test_a_map_that_could_not_be_read_is_asked_for_again(tree: ProcTree) -> None:
    tree.add(PARENT, maps=[LIBPYTHON])
    tree.refuse(f"{PARENT}/task/{PARENT}/maps")
    first = tree.scanned()
    assert first.names(PARENT) == frozenset()
    tree.failing.clear()
    second = tree.scanned()
    second.lasting = first.lasting
    assert second.names(PARENT) == {"libpython3.11.so.1.0"}


def test_the_word_size_is_read_again_after_an_exec(tree: ProcTree) -> None:
    tree.add(PARENT)
    first = tree.scanned()
    assert first.word_size(PARENT) == 8
    tree.remove(PARENT)
    tree.add(PARENT, is_64_bit=False, stack=5)
    second = tree.scanned()
    second.lasting = first.lasting
    assert second.word_size(PARENT) == 4


# the list of processes


def test_a_process_of_which_not_even_stat_may_be_read_is_remembered(tree: ProcTree) -> None:
    tree.add(PARENT)
    tree.add(CHILD)
    tree.refuse(str(CHILD))
    world = tree.scanned()
    assert (world.refused, world.is_settled, world.process(CHILD)) == ({CHILD}, True, None)


def test_hangprobes_own_descriptors_are_those_of_self(tree: ProcTree) -> None:
    tree.links("self", {0: reads(7), 1: "/dev/null"})
    assert sorted(tree.scanned().own_links()) == ["/dev/null", "pipe:[7]"]
    tree.refuse("self/fd")
    assert tree.scanned().own_links() == []


@pytest.mark.parametrize("stack", [3, 0])
def test_who_may_share_a_memory_is_asked_by_the_start_of_the_stack(tree: ProcTree, stack: int) -> None:
    tree.add(PARENT, [on_futex()], is_forked=True, stack=3)
    tree.add(CHILD, is_forked=True, stack=stack)
    tree.add(OTHER, is_forked=True, stack=4)
    asked = {frozenset({PARENT, CHILD}): True, frozenset({PARENT, OTHER}): True}
    assert tree.scanned(asked).sharers(PARENT) == [CHILD]


def test_a_process_whose_own_stack_is_hidden_may_share_with_everybody(tree: ProcTree) -> None:
    tree.add(PARENT, [on_futex()], is_forked=True, stack=0)
    tree.add(OTHER, is_forked=True, stack=4)
    assert tree.scanned({frozenset({PARENT, OTHER}): True}).sharers(PARENT) == [OTHER]
