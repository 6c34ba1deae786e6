"""When a campaign may stop early: at preset looks, once every comparison is settled."""

from __future__ import annotations

import math

import pytest

from hangprobe.ensemble.plan import Axes, Place, cells
from hangprobe.ensemble.records import Campaign, Cell, Outcome, Trial
from hangprobe.ensemble.sureness import ALPHA, looks, pairs, settled, standing

from .trials import campaign, ended, trial, usual

PLACE = Place(nodes=3, has_slurm=False, has_config=False)
BLOCKS = 12


def planned(launchers: str = "mpiexec,gnu-parallel", workloads: str = "stdin-child") -> Campaign:
    """Return a campaign that may stop early."""
    plan = campaign(launchers, workloads, BLOCKS)
    asked = [cell for cell in plan.cells if cell.workload in workloads.split(",")]
    return plan.but(looks=looks(asked, BLOCKS))


def blocks_until_settled(plan: Campaign) -> int:
    """Return after how many blocks a campaign with the usual outcomes stops."""
    return next((n for n in range(BLOCKS + 1) if settled(plan, ended(plan, range(n + 1)))), BLOCKS)


def test_a_cure_is_known_at_the_first_look_and_at_no_other_time() -> None:
    plan = planned()
    assert blocks_until_settled(plan) == plan.looks[0].blocks < BLOCKS
    says = settled(plan, ended(plan, range(plan.looks[0].blocks + 1)))
    assert says is not None
    assert "stdin-child, mpiexec against gnu-parallel" in says


def test_a_workload_that_nothing_cures_is_settled_once_the_rates_are_known_to_be_close() -> None:
    plan = planned(workloads="flock")
    assert plan.looks[0].blocks < blocks_until_settled(plan) < BLOCKS


def test_what_stops_by_the_margin_says_so_and_not_that_it_is_unsure() -> None:
    plan = planned(workloads="flock")
    says = settled(plan, ended(plan, range(blocks_until_settled(plan) + 1)))
    assert says is not None
    assert "the rates differ by less than 50 percentage points" in says
    assert "not sure" not in says


def test_the_reason_counts_the_other_comparisons() -> None:
    plan = planned(workloads="stdin-child,flock,sleep")
    says = settled(plan, ended(plan))
    assert says is not None
    assert says.endswith("; 2 more comparisons are as sure")


def test_standing_is_that_of_the_look_at_which_it_was_sure() -> None:
    plan = planned()
    first = plan.looks[0].blocks
    assert standing(plan.but(looks=()), {}) is None
    before, sure, later = (standing(plan, ended(plan, range(n))) for n in (first, first + 1, BLOCKS + 1))
    assert before is not None
    assert (before.index, before.is_sure, before.compared) == (None, False, ())
    assert sure is not None
    assert (sure.index, sure.is_sure) == (0, True)
    assert later == sure
    asked, *added = sure.compared
    assert (asked.first.workload, asked.is_asked, asked.estimate) == ("stdin-child", True, 1.0)
    assert {(each.first.workload, each.is_asked) for each in added} == {("thread-lock", False), ("noop", False)}


def test_standing_without_being_sure_is_that_of_the_last_look_taken() -> None:
    plan = planned()

    def in_some(blocks: int) -> dict[int, Trial]:
        """Return trials of which every second hangs under the first launcher, and every fourth under the other."""
        found = {}
        for each in plan.plan[: sum(planned.block <= blocks for planned in plan.plan)]:
            often = 2 if each.cell.launcher == "mpiexec" else 4
            is_hung = each.block % often == 0
            asked = Outcome.HUNG if is_hung else Outcome.COMPLETED
            found[each.number] = trial(each, asked if each.control is None else usual(each))
        return found

    end = standing(plan, in_some(BLOCKS))
    between = standing(plan, in_some(plan.looks[1].blocks + 1))
    assert end is not None
    assert (end.index, end.is_sure) == (len(plan.looks) - 1, False)
    assert between is not None
    assert (between.index, between.is_sure) == (1, False)


def test_trials_that_ended_otherwise_are_counted_against_the_other_launcher() -> None:
    plan = planned()
    trials = ended(plan, range(plan.looks[0].blocks + 1))
    for each in plan.plan:
        if each.number in trials and (each.cell.workload, each.cell.launcher) == ("stdin-child", "gnu-parallel"):
            trials[each.number] = trial(each, Outcome.STALLED)
    found = standing(plan, trials)
    assert found is not None
    assert found.compared[0].decision.may_stop
    assert not found.compared[0].severe.may_stop


def test_a_control_is_counted_over_all_blocks() -> None:
    """Counted only where it hung, its rate would be 1."""
    plan = planned(workloads="thread-lock")
    trials = ended(plan)
    for each in plan.plan:
        if each.block <= 2 and each.cell == Cell("mpiexec", "thread-lock"):
            trials[each.number] = trial(each, Outcome.COMPLETED)
    found = standing(plan, trials)
    assert found is not None
    assert found.index is not None
    assert found.compared[0].estimate == pytest.approx(-2 / plan.looks[found.index].blocks)


def test_the_launcher_that_users_have_first_is_compared_with_whatever_was_named_first() -> None:
    found = planned("gnu-parallel,mpiexec")
    assert {(a.launcher, b.launcher) for a, b in pairs(found.cells)} == {("mpiexec", "gnu-parallel")}


def test_a_workload_that_needs_its_mpi_is_compared_with_that_mpis_own() -> None:
    axes = Axes(("mpiexec", "gnu-parallel"), ("mpi-task",), ("mpich", "impi"), ("installed",))
    assert {(a.mpi, b.mpi) for a, b in pairs(cells(axes, PLACE).asked)} == {("mpich", "mpich"), ("impi", "impi")}


def test_one_comparison_that_is_open_keeps_all_of_them_going() -> None:
    both = planned(workloads="stdin-child,flock")
    assert blocks_until_settled(both) > both.looks[0].blocks


def test_without_looks_or_before_the_first_nothing_is_settled() -> None:
    plan = planned()
    assert settled(plan.but(looks=()), ended(plan)) is None
    assert settled(plan, ended(plan, range(plan.looks[0].blocks))) is None


def test_a_look_needs_its_blocks_whole() -> None:
    plan = planned()
    trials = ended(plan, range(plan.looks[0].blocks + 1))
    del trials[3]
    assert settled(plan, trials) is None


def test_blocks_that_are_no_evidence_do_not_count() -> None:
    plan = planned()
    trials = ended(plan, range(plan.looks[0].blocks + 1))
    for each in plan.plan:
        if each.cell.workload == "thread-lock" and each.number in trials:
            trials[each.number] = trial(each, Outcome.COMPLETED)
    assert settled(plan, trials) is None


def test_the_error_rate_is_shared_among_the_comparisons() -> None:
    one, two = planned(), planned(workloads="stdin-child,flock")
    assert math.isclose(math.fsum(look.alpha for look in one.looks), ALPHA)
    assert math.isclose(math.fsum(look.alpha for look in two.looks), ALPHA / 2)
    assert looks([Cell("mpiexec", "noop")], 10) == ()


def test_a_launcher_is_compared_with_the_base_of_the_same_mpi() -> None:
    axes = Axes(("mpiexec", "mpirun", "gnu-parallel"), ("flock",), ("mpich", "impi"), ("installed",))
    found = {(a.mpi, b.launcher, b.mpi) for a, b in pairs(cells(axes, PLACE).asked)}
    assert found == {
        ("mpich", "mpirun", "mpich"),
        ("impi", "mpirun", "impi"),
        ("mpich", "gnu-parallel", "mpich"),
        ("impi", "gnu-parallel", "mpich"),
    }
