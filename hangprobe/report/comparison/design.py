"""When a campaign with looks stopped, and what was sure by then, in words. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from hangprobe.ensemble.records import Campaign, Cell
from hangprobe.ensemble.sureness import MARGIN, Compared, Standing
from hangprobe.report.comparison.names import count, heading, listed, plain, points, subject
from hangprobe.report.comparison.values import Design

CLOSE = f"less than {100 * MARGIN:.0f} points apart"
TOLD = 3
"""Open comparisons whose intervals stand in the sentence; of more of them the names do, and the table has the rest."""


def design(campaign: Campaign, standing: Standing | None) -> Design | None:
    """Return how a campaign that may stop early stands; None for one that runs to its end."""
    if standing is None:
        return None
    spent = math.fsum(look.alpha for look in campaign.looks)
    asked = [each for each in standing.compared if each.is_asked]
    return Design(
        looks=campaign.looks,
        look=None if standing.index is None else standing.index + 1,
        blocks=None if standing.index is None else campaign.looks[standing.index].blocks,
        is_sure=standing.is_sure,
        level=1 - spent,
        together=1 - spent * max(1, len(asked)),
        says=_says(campaign, standing, asked),
    )


def known(compared: Compared) -> str:
    """Return what is sure of a comparison."""
    if compared.decision.may_stop:
        return "the rates differ"
    return CLOSE if compared.decision.is_close else "not sure"


def _says(campaign: Campaign, standing: Standing, asked: Sequence[Compared]) -> str:
    """Return one or two sentences: when it stopped, and why."""
    every, last = len(campaign.looks), campaign.looks[-1].blocks
    if standing.index is None:
        return (
            f"No look has been taken yet: the first of {every} comes after block {campaign.looks[0].blocks} of {last}."
        )
    at = f"look {standing.index + 1} of {every}, after block {campaign.looks[standing.index].blocks} of {last}"
    is_last = standing.index + 1 == every
    why = "; ".join(_kinds(asked, campaign.cells))
    if standing.is_sure:
        how = f"Ran to its end and was sure at {at}" if is_last else f"Stopped early, sure at {at}"
    elif is_last:
        how = f"Ran to its end, {count(last, 'block')}, without being sure"
    else:
        how = f"Not sure yet at {at}, the last one taken"
    return f"{how}: {why}." if why else f"{how}."


def _kinds(asked: Sequence[Compared], cells: Sequence[Cell]) -> list[str]:
    """Return for which comparisons it is sure that the rates differ, that they are close, and for which it is not."""
    has_several = len({each.second.launcher for each in asked}) > 1

    def names(some: Iterable[Compared]) -> str:
        return listed(_name(each, cells, has_several=has_several) for each in some)

    differing = [each for each in asked if each.decision.may_stop]
    close = [each for each in asked if each.is_settled and not each.decision.may_stop]
    open_ = [each for each in asked if not each.is_settled]
    found = [f"the hang rates differ for {names(differing)}"] if differing else []
    found += [f"the hang rates are {CLOSE} for {names(close)}"] if close else []
    if len(open_) > TOLD:
        return [*found, f"nothing is sure for {names(open_)}"]
    return [*found, *(f"for {names([each])} the difference may be {_span(each)}" for each in open_)]


def _name(compared: Compared, cells: Sequence[Cell], *, has_several: bool) -> str:
    """Return the workload, with the other launcher where there are several of those."""
    other = f" ({plain(heading(compared.second.launcher))})" if has_several else ""
    return f"`{plain(subject(compared.first, cells))}`{other}"


def _span(compared: Compared) -> str:
    """Return the interval as every report has it: the other launcher's rate minus that of the first."""
    return f"{points(-compared.decision.high)} to {points(-compared.decision.low)} points"
