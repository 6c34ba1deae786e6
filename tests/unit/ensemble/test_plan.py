"""Axes become cells, and cells randomised blocks."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hangprobe.ensemble.launchers import TABLE as LAUNCHERS
from hangprobe.ensemble.plan import CONTROLS, Axes, Cells, Place, cells, missing, plan
from hangprobe.ensemble.records import Cell
from hangprobe.ensemble.workloads import TABLE as WORKLOADS

PLACE = Place(nodes=3, has_slurm=False, has_config=False)
names = st.lists(st.sampled_from(sorted(set(LAUNCHERS) - {"srun", "single-node"})), min_size=1, max_size=4, unique=True)
workloads = st.lists(st.sampled_from(sorted(WORKLOADS)), min_size=1, max_size=4, unique=True)
mpis = st.lists(st.sampled_from(["mpich", "openmpi", "impi"]), min_size=1, max_size=3, unique=True)
parsls = st.lists(st.sampled_from(["installed", "2023.10.23"]), min_size=1, max_size=2, unique=True)
axes = st.builds(lambda *lists: Axes(*map(tuple, lists)), names, workloads, mpis, parsls)


def of(*words: str, place: Place = PLACE) -> Cells:
    """Return the cells of `launchers workloads mpis`, names parted by commas."""
    launchers, workloads, mpis = (tuple(word.split(",")) for word in words)
    return cells(Axes(launchers, workloads, mpis, ("installed",)), place)


@given(axes, st.integers(1, 6), st.integers(0, 10**9))
def test_every_cell_is_in_every_block_once(asked: Axes, blocks: int, seed: int) -> None:
    found = cells(asked, PLACE)
    planned = plan(found, blocks, seed)
    counts = Counter((each.block, each.cell) for each in planned)
    assert counts == Counter({(block, cell): 1 for block in range(1, blocks + 1) for cell in found.all})
    assert [each.number for each in planned] == list(range(1, len(planned) + 1))
    assert [each.block for each in planned] == sorted(each.block for each in planned)


@given(axes, st.integers(1, 6), st.integers(0, 10**9))
def test_a_plan_is_the_same_for_the_same_seed_and_begins_with_that_of_fewer_blocks(
    asked: Axes, blocks: int, seed: int
) -> None:
    found = cells(asked, PLACE)
    longer = plan(found, blocks + 1, seed)
    assert longer == plan(cells(asked, PLACE), blocks + 1, seed)
    assert longer[: len(found.all) * blocks] == plan(found, blocks, seed)


@given(axes, st.data())
def test_what_is_missing_and_what_is_recorded_are_the_whole_plan_in_order(asked: Axes, data: st.DataObject) -> None:
    planned = plan(cells(asked, PLACE), 2, 1)
    recorded = data.draw(st.sets(st.sampled_from([each.number for each in planned])))
    left = missing(planned, recorded)
    assert [each for each in planned if each.number not in recorded] == list(left)


@given(axes)
def test_every_launcher_has_both_controls_once_or_more_and_added_ones_are_marked(asked: Axes) -> None:
    found = cells(asked, PLACE)
    for launcher in {cell.launcher for cell in found.all}:
        for workload in CONTROLS:
            those = [cell for cell in found.all if (cell.launcher, cell.workload) == (launcher, workload)]
            added = [cell for cell in found.controls if (cell.launcher, cell.workload) == (launcher, workload)]
            assert those
            assert len(added) == (workload not in asked.workloads)
    marks = {each.cell: each.control for each in plan(found, 1, 1)}
    assert {cell: CONTROLS[cell.workload] for cell in found.controls} == {c: m for c, m in marks.items() if m}


@given(axes)
def test_no_cell_is_there_twice_and_none_is_lost_without_a_reason(asked: Axes) -> None:
    found = cells(asked, PLACE)
    assert len(set(found.all)) == len(found.all)
    every = len(asked.launchers) * len(asked.workloads) * len(asked.mpis) * len(asked.parsls)
    assert len(found.asked) + len(found.left_out) == every
    assert all(each.why for each in found.left_out)


def test_orders_differ_between_blocks_and_between_seeds() -> None:
    found = of("mpiexec,gnu-parallel", "stdin-child,flock,sleep", "mpich")
    blocks = [
        [each.cell for each in plan(found, 8, seed) if each.block == block] for seed in (1, 2) for block in range(1, 9)
    ]
    assert len({tuple(order) for order in blocks}) > 8


def test_a_launcher_without_mpi_is_run_once_and_not_once_for_each() -> None:
    found = of("mpiexec,gnu-parallel", "stdin-child", "openmpi,mpich")
    assert [cell for cell in found.asked if cell.launcher == "gnu-parallel"] == [
        Cell("gnu-parallel", "stdin-child", "openmpi")
    ]
    assert len([cell for cell in found.asked if cell.launcher == "mpiexec"]) == 2
    assert [each.why for each in found.left_out] == ["gnu-parallel does not depend on the MPI: run once, as openmpi"]


def test_a_task_that_uses_mpi_has_every_mpi_under_any_launcher() -> None:
    found = of("gnu-parallel", "mpi-task", "openmpi,mpich")
    assert [cell.mpi for cell in found.asked] == ["openmpi", "mpich"]


def test_what_cannot_be_is_left_out_with_its_reason() -> None:
    found = of("srun,single-node,as-configured,mpiexec", "noop", "mpich")
    assert [cell.launcher for cell in found.asked] == ["mpiexec"]
    assert [each.why.split()[0] for each in found.left_out] == ["srun", "single-node", "as-configured"]
    place = Place(nodes=1, has_slurm=True, has_config=True)
    assert not of("srun,single-node,as-configured,mpiexec", "noop", "mpich", place=place).left_out


def test_a_launcher_that_is_left_out_gets_no_controls() -> None:
    assert {cell.launcher for cell in of("srun,mpiexec", "sleep", "mpich").controls} == {"mpiexec"}
