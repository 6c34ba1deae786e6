"""When a campaign may stop early: at preset looks, once every comparison is settled."""

from __future__ import annotations

import math

from hangprobe.ensemble.plan import Axes, Place, cells
from hangprobe.ensemble.records import Campaign, Cell, Outcome
from hangprobe.ensemble.sureness import ALPHA, looks, pairs, settled

from .trials import campaign, ended, trial

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


def test_a_launcher_is_compared_with_the_first_one_of_the_same_mpi() -> None:
    axes = Axes(("mpiexec", "mpirun", "gnu-parallel"), ("flock",), ("mpich", "impi"), ("installed",))
    found = {(a.mpi, b.launcher, b.mpi) for a, b in pairs(cells(axes, PLACE).asked)}
    assert found == {
        ("mpich", "mpirun", "mpich"),
        ("impi", "mpirun", "impi"),
        ("mpich", "gnu-parallel", "mpich"),
        ("impi", "gnu-parallel", "mpich"),
    }
