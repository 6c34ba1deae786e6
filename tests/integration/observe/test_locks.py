"""What the memory of real processes says of the lock that a forked child waits for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hangprobe.evidence import LockFacts, MemoryOwner, Suspects
from hangprobe.model import StartMethod, WaitKind
from hangprobe.observe.reader import Reader
from hangprobe.observe.snapshot import collect
from hangprobe.observe.suspects import read_suspects
from hangprobe.observe.world import World

PROGRAM = Path(__file__).parents[2] / "programs" / "orphaned_lock.py"

pytestmark = pytest.mark.integration


@contextmanager
def blocked_child(kind: str, parent: str = "stays") -> Iterator[int]:
    """Yield the pid of a child that has blocked on a futex; end it and its parent."""
    program = subprocess.Popen([sys.executable, str(PROGRAM), kind, parent], stdout=subprocess.PIPE)
    assert program.stdout is not None
    child = int(program.stdout.readline())
    try:
        deadline = time.monotonic() + 20
        while "futex" not in Path(f"/proc/{child}/wchan").read_text():
            assert time.monotonic() < deadline
            os.sched_yield()
        if parent == "leaves":
            program.wait(20)
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        program.kill()
        program.communicate()


def patient() -> Reader:
    """Return a reader that waits for its files as long as a busy machine makes it wait."""
    return Reader(guarded_s=20.0)


def suspects_of(pid: int, stacks_s: float | None = None) -> Suspects:
    """Read everything of a process's threads."""
    world = World(patient(), "node01")
    world.scan()
    process = world.process(pid)
    assert process is not None
    snapshot = collect(World(patient(), "node01"), [process], is_second=False)
    waiting = [t.id for p in snapshot.processes for t in p.threads if t.wait and t.wait.kind is WaitKind.FUTEX_PRIVATE]
    return read_suspects(World(patient(), "node01"), snapshot, waiting, stacks_s)


def facts_of(kind: str) -> LockFacts:
    """Return the facts of the lock on which a child of this kind waits."""
    with blocked_child(kind) as child:
        (facts,) = suspects_of(child).locks
    return facts


def test_a_lock_held_at_the_fork_is_a_python_lock_older_than_the_fork() -> None:
    facts = facts_of("lock")
    assert (facts.owner, facts.is_semaphore, facts.is_older_than_fork) == (MemoryOwner.PYTHON_LOCK, True, True)
    assert facts.parent_value == 0, "the holder still has it in the parent"
    assert facts.holder is None, "a Lock records no holder"


@pytest.mark.parametrize(("kind", "owner"), [("rlock", MemoryOwner.RLOCK), ("buffered-io", MemoryOwner.BUFFERED_IO)])
def test_a_lock_that_records_its_holder_names_a_thread_of_the_parent(kind: str, owner: MemoryOwner) -> None:
    with blocked_child(kind) as child:
        suspects = suspects_of(child)
    ((facts,), (lineage,)) = suspects.locks, suspects.lineage
    assert (facts.owner, facts.is_older_than_fork) == (owner, True)
    assert lineage.parent is not None
    assert facts.holder in set(lineage.parent_threads) - {lineage.parent.pid}


def test_a_lock_made_after_the_fork_is_younger() -> None:
    facts = facts_of("younger")
    assert (facts.owner, facts.is_older_than_fork) == (MemoryOwner.PYTHON_LOCK, False)


def test_of_an_orphan_nothing_is_said_about_the_age_of_its_lock() -> None:
    with blocked_child("lock", "leaves") as child:
        suspects = suspects_of(child)
    ((facts,), (lineage,)) = suspects.locks, suspects.lineage
    assert (lineage.start_method, lineage.parent) == (StartMethod.FORK, None)
    assert (facts.is_older_than_fork, facts.parent_value, facts.holder) == (None, None, None)


def test_the_stack_names_the_line_at_which_the_child_waits() -> None:
    with blocked_child("lock") as child:
        (stack,) = suspects_of(child, stacks_s=10.0).stacks
    assert (stack.frames[0].function.rpartition(".")[2], stack.frames[0].file) == ("take_lock", "orphaned_lock.py")


def test_what_is_known_of_a_thread_is_not_read_again() -> None:
    with blocked_child("lock") as child:
        first = suspects_of(child, stacks_s=10.0)
    world = World(Reader(root="/nonexistent"), "node01")
    snapshot = collect(World(Reader(root="/nonexistent"), "node01"), [], is_second=False)
    assert read_suspects(world, snapshot, [first.locks[0].thread], None, first).stacks == first.stacks
