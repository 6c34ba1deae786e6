"""When a campaign may stop early (`--until-sure`): at preset looks, once every comparison is settled. Pure.

Compared are, for each workload, every launcher with the first one named. A comparison is settled once it is sure that
the two hang rates differ, or once it is sure that they differ by less than MARGIN: a launcher that cures nothing (20 of
20 against 20 of 20) would otherwise never be done with. Both are read from the repeated confidence interval of the
look, which holds whatever the reason to stop was (`stats.sequential`); the error rate is shared among all comparisons.

Only blocks that are evidence count. A trial that could not be made counts nowhere; one whose launcher failed was
started and did not hang.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hangprobe.ensemble.outcomes import in_doubt
from hangprobe.ensemble.plan import WITHOUT_MPI
from hangprobe.ensemble.records import Campaign, Cell, Look, Outcome, Trial

ALPHA = 0.05
MARGIN = 0.5
"""A cure takes a hang from always to never. Launchers known to be less than half apart are not told apart by it, and
the 10 or so blocks that show this are not worth more."""

Pair = tuple[Cell, Cell]


def pairs(cells: Sequence[Cell]) -> tuple[Pair, ...]:
    """Return what is compared with what: each cell with the first launcher's of the same workload, Parsl and MPI.

    A launcher that does not depend on the MPI has one cell, which stands beside every MPI of the first.
    """
    if not cells:
        return ()
    first = cells[0].launcher
    return tuple(
        (base, other)
        for base in cells
        if base.launcher == first
        for other in cells
        if other.launcher != first and (other.workload, other.parsl) == (base.workload, base.parsl)
        if other.mpi == base.mpi or (other.launcher in WITHOUT_MPI and first not in WITHOUT_MPI)
    )


def looks(cells: Sequence[Cell], blocks: int) -> tuple[Look, ...]:
    """Return the looks of a campaign with these cells, controls left out; none if nothing is compared."""
    from hangprobe.stats.sequential import looks as preset

    compared = pairs(cells)
    return preset(blocks, ALPHA / len(compared)) if compared else ()


def settled(campaign: Campaign, trials: Mapping[int, Trial]) -> str | None:
    """Return why the trials on record are enough; None if they are not, or if this is no time to look.

    The answer rests on the record alone, so a campaign that was killed stops where it would have stopped.
    """
    asked = [cell for cell in campaign.cells if cell not in _controls(campaign)]
    compared = pairs(asked)
    for index, look in enumerate(campaign.looks[:-1]):  # after the last one it ends anyway
        if not _is_whole(campaign, trials, look.blocks):
            return None
        says = _all_settled(compared, campaign, trials, index)
        if says:
            return says
    return None


def _all_settled(compared: Sequence[Pair], campaign: Campaign, trials: Mapping[int, Trial], index: int) -> str:
    """Return what settles the first comparison if all are settled, else nothing; a look takes seconds for each."""
    first = ""
    for pair in compared:
        if not (says := _says(pair, campaign, trials, index)):
            return ""
        first = first or says
    return first


def _controls(campaign: Campaign) -> frozenset[Cell]:
    return frozenset(each.cell for each in campaign.plan if each.control is not None)


def _is_whole(campaign: Campaign, trials: Mapping[int, Trial], blocks: int) -> bool:
    return all(each.number in trials for each in campaign.plan if each.block <= blocks)


def _says(pair: Pair, campaign: Campaign, trials: Mapping[int, Trial], index: int) -> str:
    """Return what settles a comparison at a look; empty if nothing does."""
    from hangprobe.stats.sequential import decide

    sizes: list[tuple[int, int]] = []
    hung = (0, 0)
    for look in campaign.looks[: index + 1]:
        planned = [each for each in campaign.plan if each.block <= look.blocks]
        ended = [trials[each.number] for each in planned if each.number in trials]
        doubts = in_doubt(planned, ended)
        counted = [_counted(ended, cell, doubts) for cell in pair]
        sizes.append((counted[0][1], counted[1][1]))
        hung = (counted[0][0], counted[1][0])
    (n_a, n_b), earlier = sizes[-1], sizes[:-1]
    if not n_a or not n_b:
        return ""
    decision = decide(index, hung[0], n_a, hung[1], n_b, campaign.looks, earlier)
    is_close = decision.low > -MARGIN and decision.high < MARGIN
    names = f"{pair[0].workload}, {pair[0].launcher} against {pair[1].launcher}"
    return f"{names}: {decision.says}" if decision.may_stop or is_close else ""


def _counted(trials: Iterable[Trial], cell: Cell, doubts: Mapping[int, str]) -> tuple[int, int]:
    """Return how many trials of a cell hung, and how many were started."""
    own = [
        trial
        for trial in trials
        if trial.cell == cell and trial.block not in doubts and trial.outcome is not Outcome.INFRASTRUCTURE
    ]
    return sum(trial.outcome is Outcome.HUNG for trial in own), len(own)
