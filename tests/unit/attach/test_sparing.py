"""No tree is called hung that somebody around it may still mean to end, and each reason says whom to ask about."""

from __future__ import annotations

from pathlib import Path

import msgspec.structs
import pytest

from hangprobe.judgement import RankVerdict
from hangprobe.model import RankState, Verdict
from hangprobe.observe.trees import INIT
from tests.unit.observe.calls import Thread, asleep, in_read, in_wait4, working
from tests.unit.observe.opened import reads, writes
from tests.unit.observe.tree import ProcTree

from .knots import NOBODY, OTHER, PARENT, RANK, SERVICE, TOP, add, bare_node, knot, look_at, shell, spared, verdict_on


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProcTree:
    """Return a node on which only init runs."""
    return bare_node(tmp_path, monkeypatch)


# elders


def test_a_hung_program_below_a_parent_that_works_is_blocked_and_the_parent_is_to_be_asked_about(
    node: ProcTree,
) -> None:
    add(node, PARENT, INIT, working(), comm="service")
    knot(node, PARENT)
    found = verdict_on(node)
    assert (found.state, found.hung) == (RankState.BLOCKED, False)
    assert f"pid {PARENT} (service), its parent, is in no knot" in found.why
    assert found.why.endswith(f"ask about pid {PARENT}")


def test_what_was_known_of_the_knot_is_still_said_where_it_is_spared(node: ProcTree) -> None:
    add(node, PARENT, INIT, working())
    knot(node, PARENT)
    look = look_at(node)
    before, after = look.judgement, spared(node, look)
    assert after.verdict is Verdict.OK
    assert (after.proven, after.at_s) == (before.proven, before.at_s)
    assert after.ranks[0].culprits == before.ranks[0].culprits != ()


def test_the_nearest_elder_outside_the_knot_is_named(node: ProcTree) -> None:
    add(node, SERVICE, INIT, working(), comm="service")
    add(node, PARENT, SERVICE, in_wait4(TOP), comm="worker")
    knot(node, PARENT)
    assert f"pid {SERVICE} (service), an ancestor of it," in verdict_on(node).why


def test_an_elder_of_which_one_thread_works_is_in_no_knot(node: ProcTree) -> None:
    add(node, PARENT, INIT, in_wait4(TOP), working())
    knot(node, PARENT)
    assert verdict_on(node).state is RankState.BLOCKED


def test_an_elder_that_cannot_be_read_is_in_no_knot(node: ProcTree) -> None:
    add(node, PARENT, INIT, in_wait4(TOP))
    knot(node, PARENT)
    node.refuse(f"{PARENT}/task")
    assert verdict_on(node).why.endswith(f"ask about pid {PARENT}")


def test_an_elder_that_sleeps_for_a_set_time_is_in_no_knot(node: ProcTree) -> None:
    add(node, PARENT, INIT, asleep())
    knot(node, PARENT)
    assert verdict_on(node).state is RankState.BLOCKED


def test_a_sleeper_beside_the_hung_program_may_still_mean_to_end_it(node: ProcTree) -> None:
    add(node, PARENT, INIT, in_wait4(TOP))
    knot(node, PARENT)
    add(node, OTHER, PARENT, asleep())
    assert verdict_on(node).why.endswith(f"ask about pid {PARENT}")


@pytest.mark.parametrize("askers", [NOBODY, None], ids=["asked about", "swept over"])
def test_a_hang_of_which_all_elders_are_in_knots_stays_one(node: ProcTree, askers: frozenset[int] | None) -> None:
    add(node, SERVICE, INIT, in_wait4(PARENT))
    add(node, PARENT, SERVICE, in_wait4(TOP))
    knot(node, PARENT)
    look = look_at(node)
    assert spared(node, look, askers) == look.judgement


def test_whoever_asks_is_no_reason_to_spare_and_what_stands_between_is(node: ProcTree) -> None:
    add(node, SERVICE, INIT, working())
    add(node, PARENT, SERVICE, working())
    knot(node, PARENT)
    assert verdict_on(node, frozenset({PARENT, SERVICE, 4242})).hung
    assert f"pid {PARENT}" in verdict_on(node, frozenset({SERVICE, 4242})).why


def test_a_shell_that_waits_for_the_hung_program_alone_ends_it_only_when_told_to(node: ProcTree) -> None:
    shell(node, PARENT, waits_for=TOP)
    knot(node, PARENT)
    assert verdict_on(node).hung


def test_a_shell_with_another_child_may_end_the_hung_program(node: ProcTree) -> None:
    shell(node, PARENT, waits_for=TOP)
    knot(node, PARENT)
    add(node, OTHER, PARENT, working())
    found = verdict_on(node)
    assert (found.state, found.why[-len(str(PARENT)) :]) == (RankState.BLOCKED, str(PARENT))


# launchers


@pytest.mark.parametrize("askers", [NOBODY, None], ids=["asked about", "swept over"])
def test_a_rank_that_a_launcher_has_started_is_never_spared(node: ProcTree, askers: frozenset[int] | None) -> None:
    add(node, SERVICE, INIT, working(), comm="driver")
    add(node, PARENT, SERVICE, working(), comm="hydra_pmi_proxy")
    knot(node, PARENT, environment=RANK)
    add(node, OTHER, INIT, working(), group=TOP)
    look = look_at(node)
    assert look.judgement.verdict is Verdict.HANG
    assert spared(node, look, askers) == look.judgement


def test_a_launcher_by_its_name_alone_is_no_excuse(node: ProcTree) -> None:
    add(node, PARENT, INIT, working(), comm="mpirun")
    knot(node, PARENT)
    assert f"pid {PARENT} (mpirun), its parent," in verdict_on(node).why


def test_of_several_ranks_only_the_one_that_somebody_may_end_is_spared(node: ProcTree) -> None:
    """A launcher's rank beside a process that has its number from elsewhere."""
    add(node, SERVICE, INIT, working(), comm="hydra_pmi_proxy")
    add(node, PARENT, SERVICE, working(), comm="wrapper")
    knot(node, PARENT, environment=RANK)
    add(node, OTHER, SERVICE, in_read(3), environment={"PMI_RANK": "1"}, links={3: reads(8), 4: writes(8)})
    found = spared(node, look_at(node, SERVICE)).ranks
    assert [(each.rank, each.state, each.hung) for each in found] == [
        (0, RankState.BLOCKED, False),
        (1, RankState.PROVEN, True),
    ]


@pytest.mark.parametrize("askers", [NOBODY, None], ids=["asked about", "swept over"])
def test_a_rank_is_no_orphan_where_its_launcher_is_the_first_process_of_a_container(
    node: ProcTree, askers: frozenset[int] | None
) -> None:
    node.remove(INIT)
    add(node, INIT, 0, working(), comm="mpirun")
    knot(node, INIT, environment=RANK, group=40)
    add(node, OTHER, INIT, working(), group=40)
    assert verdict_on(node, askers).hung


# orphans


def test_an_orphan_is_blocked_if_nobody_has_asked_about_it_and_it_itself_is_to_be_asked_about(node: ProcTree) -> None:
    knot(node, INIT)
    found = verdict_on(node, askers=None)
    assert (found.state, found.hung) == (RankState.BLOCKED, False)
    assert found.why.endswith(f"ask about pid {TOP} itself")


def test_an_orphan_that_somebody_asks_about_is_hung(node: ProcTree) -> None:
    knot(node, INIT)
    assert verdict_on(node, NOBODY).state is RankState.PROVEN


@pytest.mark.parametrize("doing", [working(), in_read(3)], ids=["works", "is in a knot of its own"])
def test_an_orphan_that_has_a_relative_is_blocked_even_if_it_is_asked_about(node: ProcTree, doing: Thread) -> None:
    knot(node, INIT, group=40)
    add(node, OTHER, INIT, doing, comm="script", group=40, links={3: reads(8), 4: writes(8)})
    found = verdict_on(node)
    assert found.state is RankState.BLOCKED
    assert f"pid {OTHER} (script), of its process group," in found.why


# what is no hang


@pytest.mark.parametrize("state", [RankState.STALLED, RankState.BLOCKED, RankState.PROGRESSING, RankState.UNKNOWN])
def test_a_judgement_that_is_no_hang_is_returned_as_it_is(node: ProcTree, state: RankState) -> None:
    add(node, PARENT, INIT, working())
    knot(node, PARENT)
    look = look_at(node)
    judgement = look.judgement.but(ranks=(RankVerdict(0, state, "as it was"),))
    assert spared(node, msgspec.structs.replace(look, judgement=judgement), None) is judgement


def test_beside_a_hung_rank_the_others_keep_what_was_said_of_them(node: ProcTree) -> None:
    add(node, PARENT, INIT, working())
    knot(node, PARENT)
    look = look_at(node)
    other = RankVerdict(1, RankState.WAITING, "waits in MPI for rank 0")
    judgement = look.judgement.but(ranks=(*look.judgement.ranks, other))
    found = spared(node, msgspec.structs.replace(look, judgement=judgement))
    assert [each.state for each in found.ranks] == [RankState.BLOCKED, RankState.WAITING]
    assert found.ranks[1] is other


def test_of_a_program_that_has_gone_since_nobody_is_asked(node: ProcTree) -> None:
    add(node, PARENT, INIT, working())
    knot(node, PARENT)
    look = look_at(node)
    node.remove(TOP)
    add(node, TOP, PARENT, working(), start=99_999)
    assert spared(node, look) == look.judgement
