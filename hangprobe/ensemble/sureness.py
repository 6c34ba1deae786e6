"""When a campaign may stop early (`--until-sure`), and what is known at the look at which it did. Pure.

Compared are, for each workload, every launcher with the one that users have first. A comparison is settled once it is
sure that the two hang rates differ, or once it is sure that they differ by less than MARGIN: a launcher that cures
nothing (20 of 20 against 20 of 20) would otherwise never be done with. Both are read from the repeated confidence
interval of the look, which holds whatever the reason to stop was (`stats.sequential`); the error rate is shared among
all comparisons that were asked for.

Only blocks that are evidence count. The controls themselves are counted over all blocks: by choosing the blocks in
which they hung, their rate would be 1. A trial that could not be made counts nowhere; one whose launcher failed was
started and did not hang.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hangprobe.ensemble.launchers import AS_CONFIGURED
from hangprobe.ensemble.outcomes import in_doubt
from hangprobe.ensemble.plan import WITHOUT_MPI, role
from hangprobe.ensemble.records import Campaign, Cell, Look, Outcome, Planned, Trial
from hangprobe.model import Frozen
from hangprobe.stats.sequential import Decision, decide
from hangprobe.stats.sequential import looks as preset

ALPHA = 0.05
MARGIN = 0.5
"""A cure takes a hang from always to never. Launchers known to be less than half apart are not told apart by it, and
the 10 or so blocks that show this are not worth more."""
BASE_ORDER = ("mpiexec", AS_CONFIGURED, "mpirun", "srun", "single-node", "gnu-parallel", "gnu-parallel-repaired")
"""The first of these that a campaign has is what the others are compared with: what users have first."""

Pair = tuple[Cell, Cell]


class Compared(Frozen, frozen=True):
    """One comparison at a look: rates are those of `first` minus those of `second`."""

    first: Cell
    second: Cell
    estimate: float | None
    """Of the difference, at the look; None if one of them was never started."""
    decision: Decision
    severe: Decision
    """The same with every trial of `second` that neither completed nor hung counted as hung."""
    is_asked: bool
    """Not one of controls that were added: those keep no campaign going."""

    @property
    def is_settled(self) -> bool:
        """Whether it is sure that the rates differ, or that they differ by less than MARGIN."""
        return self.decision.may_stop or self.decision.is_close


class Standing(Frozen, frozen=True):
    """What a campaign with looks knows."""

    index: int | None
    """The look, counted from 0: where it was sure, else the last one taken; None before the first."""
    is_sure: bool
    """Every comparison that was asked for is settled."""
    compared: tuple[Compared, ...] = ()
    """Empty before the first look."""


def base_launcher(cells: Iterable[Cell]) -> str | None:
    """Return the launcher that the others are compared with; None without any cell."""
    names = list(dict.fromkeys(each.launcher for each in cells))
    return next((each for each in BASE_ORDER if each in names), names[0] if names else None)


def pairs(cells: Sequence[Cell]) -> tuple[Pair, ...]:
    """Return what is compared with what: each cell of the base with every other launcher's of the same workload, Parsl
    and MPI.

    A launcher that does not depend on the MPI has one cell, which stands beside every MPI of the base.
    """
    base = base_launcher(cells)
    others = [each for each in cells if each.launcher != base]
    best: dict[tuple[Cell, str], Pair] = {}
    for first in (each for each in cells if each.launcher == base):
        for second in (each for each in others if _is_like(first, each)):
            key = (first, second.launcher)
            if key not in best or first.mpi == second.mpi:
                best[key] = (first, second)
    return tuple(best.values())


def _is_like(first: Cell, second: Cell) -> bool:
    if (first.workload, first.parsl) != (second.workload, second.parsl):
        return False
    return first.mpi == second.mpi or (second.launcher in WITHOUT_MPI and first.launcher not in WITHOUT_MPI)


def looks(cells: Sequence[Cell], blocks: int) -> tuple[Look, ...]:
    """Return the looks of a campaign with these cells, controls left out; none if nothing is compared."""
    compared = pairs(cells)
    return preset(blocks, ALPHA / len(compared)) if compared else ()


def settled(campaign: Campaign, trials: Mapping[int, Trial]) -> str | None:
    """Return why the trials on record are enough; None if they are not, or if this is no time to look.

    The answer rests on the record alone, so a campaign that was killed stops where it would have stopped.
    """
    for index, look in enumerate(campaign.looks[:-1]):  # after the last one it ends anyway
        if not _is_whole(campaign, trials, look.blocks):
            return None
        if _are_settled(campaign, trials, index):
            return reason(at_look(campaign, trials, index))
    return None


def standing(campaign: Campaign, trials: Mapping[int, Trial]) -> Standing | None:
    """Return what is known at the look at which all was settled, else at the last one taken; None without looks.

    Takes seconds for each comparison of a long campaign.
    """
    if not campaign.looks:
        return None
    taken = [index for index, each in enumerate(campaign.looks) if _is_whole(campaign, trials, each.blocks)]
    if not taken:
        return Standing(None, is_sure=False)
    sure = next((index for index in taken if _are_settled(campaign, trials, index)), None)
    index = taken[-1] if sure is None else sure
    return Standing(index, sure is not None, at_look(campaign, trials, index))


def reason(compared: Sequence[Compared]) -> str:
    """Return what is known of the first comparison in words, and of how many more."""
    asked = [each for each in compared if each.is_asked]
    more = len(asked) - 1
    rest = f"; {more} more {'comparison is' if more == 1 else 'comparisons are'} as sure" if more > 0 else ""
    return f"{named(asked[0])}{rest}" if asked else ""


def named(compared: Compared) -> str:
    """Return what is known of a comparison in words, with its workload and launchers."""
    names = f"{compared.first.workload}, {compared.first.launcher} against {compared.second.launcher}"
    return f"{names}: {compared.decision.says}"


def at_look(campaign: Campaign, trials: Mapping[int, Trial], index: int) -> tuple[Compared, ...]:
    """Return every comparison at a look, those of added controls last."""
    added = _added(campaign)
    asked = pairs([each for each in campaign.cells if each not in added])
    every = list(dict.fromkeys((*campaign.cells, *(each.cell for each in campaign.plan))))
    rest = [each for each in pairs(every) if each not in asked]
    return tuple(_compared(pair, campaign, trials, index, pair in asked) for pair in (*asked, *rest))


def _are_settled(campaign: Campaign, trials: Mapping[int, Trial], index: int) -> bool:
    """Return whether every comparison that was asked for is settled at a look; the first open one ends the search."""
    added = _added(campaign)
    asked = pairs([each for each in campaign.cells if each not in added])
    return bool(asked) and all(_compared(pair, campaign, trials, index, True).is_settled for pair in asked)


def _added(campaign: Campaign) -> frozenset[Cell]:
    return frozenset(each.cell for each in campaign.plan if each.control is not None)


def _is_whole(campaign: Campaign, trials: Mapping[int, Trial], blocks: int) -> bool:
    return all(each.number in trials for each in campaign.plan if each.block <= blocks)


def _compared(pair: Pair, campaign: Campaign, trials: Mapping[int, Trial], index: int, is_asked: bool) -> Compared:
    """Return a comparison at a look."""
    sizes: list[tuple[int, int]] = []
    first: list[Trial] = []
    second: list[Trial] = []
    for look in campaign.looks[: index + 1]:
        planned = [each for each in campaign.plan if each.block <= look.blocks]
        first, second = (_counted(planned, trials, cell) for cell in pair)
        sizes.append((len(first), len(second)))
    (n_a, n_b), earlier = sizes[-1], sizes[:-1]
    hung_a, hung_b = (sum(each.outcome is Outcome.HUNG for each in own) for own in (first, second))
    otherwise = n_b - hung_b - sum(each.outcome is Outcome.COMPLETED for each in second)
    decision = decide(index, hung_a, n_a, hung_b, n_b, campaign.looks, earlier, MARGIN)
    severe = decide(index, hung_a, n_a, hung_b + otherwise, n_b, campaign.looks, earlier, MARGIN)
    estimate = hung_a / n_a - hung_b / n_b if n_a and n_b else None
    return Compared(pair[0], pair[1], estimate, decision, severe, is_asked)


def _counted(planned: Sequence[Planned], trials: Mapping[int, Trial], cell: Cell) -> list[Trial]:
    """Return the started trials of a cell, without blocks that are no evidence unless it is a control itself."""
    own = [each for each in planned if each.cell == cell and each.number in trials]
    is_control = any(role(cell.workload, each.control) is not None for each in own)
    doubts = {} if is_control else in_doubt(planned, [trials[each.number] for each in planned if each.number in trials])
    found = (trials[each.number] for each in own if each.block not in doubts)
    return [each for each in found if each.outcome is not Outcome.INFRASTRUCTURE]
