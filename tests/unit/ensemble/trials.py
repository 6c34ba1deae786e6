"""Campaigns and trials as the tests of this folder need them."""

from __future__ import annotations

from collections.abc import Iterable

from hangprobe.ensemble.plan import Axes, Place, cells, plan
from hangprobe.ensemble.records import Campaign, Environment, Look, Outcome, Planned, Settings, Trial

PLACE = Place(nodes=3, has_slurm=False, has_config=False)
ENVIRONMENT = Environment(versions={"parsl": "1", "kernel": "6"}, hosts=("a", "b", "c"), processors=2, site="testbed")


def campaign(
    launchers: str = "mpiexec,gnu-parallel",
    workloads: str = "stdin-child",
    blocks: int = 2,
    seed: int = 1,
    looks: tuple[Look, ...] = (),
) -> Campaign:
    """Return a campaign with controls, on MPICH and the installed Parsl."""
    found = cells(Axes(tuple(launchers.split(",")), tuple(workloads.split(",")), ("mpich",), ("installed",)), PLACE)
    return Campaign(
        name="c",
        started_at="2026-11-23T04:00:00Z",
        command=("hangprobe", "compare"),
        seed=seed,
        cells=found.all,
        plan=plan(found, blocks, seed),
        settings=Settings(),
        environment=ENVIRONMENT,
        looks=looks,
    )


def trial(planned: Planned, outcome: Outcome = Outcome.COMPLETED, duration_s: float = 1.0) -> Trial:
    """Return how a planned trial went."""
    return Trial(
        number=planned.number,
        block=planned.block,
        cell=planned.cell,
        control=planned.control,
        started_at="2026-11-23T04:00:00Z",
        duration_s=duration_s,
        outcome=outcome,
        why="so it went",
    )


def usual(planned: Planned) -> Outcome:
    """Return the outcome that FACTS has: GNU parallel cures what comes from the launcher, and no lock."""
    if planned.cell.workload == "thread-lock":
        return Outcome.HUNG
    is_launchers = planned.cell.workload == "stdin-child" and planned.cell.launcher == "mpiexec"
    return Outcome.HUNG if is_launchers else Outcome.COMPLETED


def ended(campaign: Campaign, blocks: Iterable[int] = range(1000)) -> dict[int, Trial]:
    """Return the trials of some blocks as usual."""
    return {each.number: trial(each, usual(each)) for each in campaign.plan if each.block in blocks}
