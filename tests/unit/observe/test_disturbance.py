"""What goes on outside a job does not touch the objects of its own; what goes on inside it does."""

from __future__ import annotations

import pytest

from hangprobe.model import Unreadable
from hangprobe.observe.census import Scope
from hangprobe.observe.holders import Found, Holders
from hangprobe.observe.world import World

from .opened import reads, unix_socket, writes
from .tree import ARCH, ProcTree

ROOT, RANK, CHILD, STRANGER = 100, 200, 300, 50
PIPE = "pipe:[7]"


@pytest.fixture
def job(tree: ProcTree) -> ProcTree:
    tree.add(STRANGER)
    tree.add(ROOT)
    tree.add(RANK, parent=ROOT, links={3: reads(7)})
    tree.add(CHILD, parent=RANK, links={4: writes(7)})
    tree.scope = Scope(tree.id(ROOT))
    return tree


class Busy(World):
    """A world in which each look at the list of processes brings one more child of `parent`."""

    tree: ProcTree
    parent: int
    coming: int

    def scan(self) -> None:
        """Read the list of processes."""
        if self.coming:
            self.coming -= 1
            self.tree.add(900 + self.coming, parent=self.parent)
        World.scan(self)


def among_forks(tree: ProcTree, parent: int) -> Found | Unreadable:
    """Return the holders of the pipe while `parent` forks all the time."""
    world = Busy(tree.reader(), "node01", ARCH, same_files=lambda *_: True, scope=tree.scope)
    world.tree, world.parent, world.coming = tree, parent, 0
    world.scan()
    world.coming = 99
    return Holders(world).of(PIPE)


def test_strangers_who_fork_all_the_time_hide_no_pipe_of_the_job(job: ProcTree) -> None:
    assert isinstance(among_forks(job, STRANGER), Found)


def test_a_process_of_the_job_that_forks_all_the_time_may_hide_one(job: ProcTree) -> None:
    assert isinstance(among_forks(job, RANK), Unreadable)


def test_strangers_may_have_what_the_job_was_started_with(job: ProcTree) -> None:
    job.scope = Scope(job.id(ROOT), frozenset({PIPE}))
    assert isinstance(among_forks(job, STRANGER), Unreadable)


def in_flight(tree: ProcTree, receiver: int, sender: int) -> Found | Unreadable:
    """Return the holders of the pipe while descriptors are on their way from one process to another."""
    tree.add(receiver + 1, parent=receiver, links={3: unix_socket(40, in_flight=1)})
    tree.add(sender + 2, parent=sender, links={3: unix_socket(41)})
    tree.peers = {40: 41, 41: 40}
    return Holders(tree.scanned()).of(PIPE)


def test_what_strangers_send_each_other_is_none_of_the_jobs_pipes(job: ProcTree) -> None:
    assert isinstance(in_flight(job, STRANGER, STRANGER), Found)


@pytest.mark.parametrize(("receiver", "sender"), [(RANK, STRANGER), (STRANGER, RANK), (RANK, RANK)])
def test_what_the_job_sends_or_gets_may_be(job: ProcTree, receiver: int, sender: int) -> None:
    assert isinstance(in_flight(job, receiver, sender), Unreadable)


def test_a_socket_whose_other_end_is_not_known_may_be_the_jobs(job: ProcTree) -> None:
    job.add(STRANGER + 1, links={3: unix_socket(40, in_flight=1)})
    assert isinstance(Holders(job.scanned()).of(PIPE), Unreadable)
