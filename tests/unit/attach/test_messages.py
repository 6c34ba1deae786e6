"""A hung program of which a thread waits for a message is not called hung: it may end the wait when that comes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec.structs
import pytest

from hangprobe.judgement import Progress
from hangprobe.model import RankState, ThreadView
from hangprobe.observe.trees import INIT
from hangprobe.record import Look
from tests.unit.observe.calls import Thread, asleep, call, in_read, in_wait4, on_futex, working
from tests.unit.observe.opened import reads, writes
from tests.unit.observe.tree import ProcTree

from .knots import CHILD, OTHER, PARENT, POLICY, TOP, add, bare_node, knot, look_at, spared, verdict_on

ACCEPT = Thread(call(43, 5), "inet_csk_accept")


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProcTree:
    """Return a node on which only init runs."""
    return bare_node(tmp_path, monkeypatch)


def test_a_hung_program_with_a_thread_that_waits_for_a_message_is_stalled_once_quiet(node: ProcTree) -> None:
    """A service that was idle for an hour may still get the message upon which it terminates its helper."""
    knot(node, INIT, ACCEPT)
    found = verdict_on(node)
    assert (found.state, found.hung) == (RankState.STALLED, False)
    assert found.why.startswith(f"thread {TOP + 1} of pid {TOP} waits for something else")


@pytest.mark.parametrize(
    ("quiet_s", "state"),
    [
        (0.0, RankState.BLOCKED),
        (POLICY.stall_after_s - 0.1, RankState.BLOCKED),
        (POLICY.stall_after_s, RankState.STALLED),
        (None, RankState.BLOCKED),
    ],
)
def test_it_is_only_blocked_until_nothing_has_moved_for_the_window(
    node: ProcTree, quiet_s: float | None, state: RankState
) -> None:
    knot(node, INIT, ACCEPT)
    progress = {} if quiet_s is None else {0: Progress(0, quiet_s)}
    look = msgspec.structs.replace(look_at(node), progress=progress)
    assert [each.state for each in spared(node, look).ranks] == [state]


def test_a_message_may_come_through_a_pipe_of_which_somebody_else_has_the_other_end(node: ProcTree) -> None:
    knot(node, INIT, in_read(6))
    add(node, OTHER, INIT, asleep(), links={4: writes(9)})
    assert verdict_on(node).why.startswith(f"thread {TOP + 1} of pid {TOP} waits for something else")


def leaked(node: ProcTree, *threads: Thread, child: Sequence[Thread] = (in_read(3),)) -> Look:
    """Return a look at a program that is hung by a leak, and thus in no knot: its threads, and those of its child."""
    look = look_at(node)
    node.remove(TOP)
    node.remove(CHILD)
    add(node, TOP, INIT, *threads, links={6: reads(9)})
    add(node, CHILD, TOP, *child, is_forked=True, links={3: reads(7), 4: writes(7)})
    (rank,) = look.judgement.ranks
    rank = rank.but(culprits=tuple(each for each in rank.culprits if each.process.pid == CHILD))
    judgement = look.judgement.but(proven=frozenset(), blocked=frozenset(), ranks=(rank,))
    return msgspec.structs.replace(look, double=look_at(node).double, judgement=judgement)


@pytest.mark.parametrize(
    "threads",
    [
        (in_wait4(CHILD), asleep()),
        (in_wait4(CHILD), working()),
        (in_wait4(CHILD), on_futex(), asleep()),
        (ACCEPT,),
    ],
    ids=["sleeps for a set time", "works", "waits for another of its threads", "is the main thread"],
)
def test_a_thread_that_was_judged_already_is_no_reason_to_spare(node: ProcTree, threads: tuple[Thread, ...]) -> None:
    """Whether such a one may end the knot is known by then: `judge.beside`."""
    knot(node, INIT)
    look = leaked(node, *threads)
    assert spared(node, look) == look.judgement


def test_the_child_that_holds_the_knot_may_get_a_message_as_well(node: ProcTree) -> None:
    knot(node, INIT)
    (found,) = spared(node, leaked(node, in_wait4(CHILD), child=[in_read(3), ACCEPT])).ranks
    assert found.why.startswith(f"thread {CHILD + 1} of pid {CHILD} waits for something else")


def test_the_culprit_itself_is_no_reason_to_spare(node: ProcTree) -> None:
    """Who reads a socket that a launcher never feeds is live by nature, and is what is told of."""
    knot(node, INIT)
    look = leaked(node, in_wait4(CHILD), child=[ACCEPT])
    assert spared(node, look) == look.judgement


def test_what_another_process_of_the_tree_waits_for_does_not_matter(node: ProcTree) -> None:
    knot(node, INIT)
    add(node, OTHER, TOP, ACCEPT)
    assert verdict_on(node).hung


def test_the_thread_of_an_mpi_runtime_waits_for_no_message_of_the_programs(node: ProcTree) -> None:
    knot(node, INIT, ACCEPT)
    look = look_at(node)

    def as_helper(view: ThreadView) -> ThreadView:
        return view.but(is_runtime_helper=view.id.tid == TOP + 1)

    second = look.double.second
    processes = tuple(each.but(threads=tuple(map(as_helper, each.threads))) for each in second.processes)
    double = look.double.but(second=second.but(processes=processes))
    assert spared(node, msgspec.structs.replace(look, double=double)) == look.judgement


def test_a_thread_that_waits_for_the_knot_itself_is_no_reason_to_spare(node: ProcTree) -> None:
    knot(node, INIT, in_wait4(CHILD))
    assert verdict_on(node).hung


def test_an_elder_outweighs_a_message(node: ProcTree) -> None:
    add(node, PARENT, INIT, working())
    knot(node, PARENT, ACCEPT)
    found = verdict_on(node)
    assert (found.state, found.why[-len(str(PARENT)) :]) == (RankState.BLOCKED, str(PARENT))
