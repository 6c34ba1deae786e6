"""A campaign and its trials -> everything that is said of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hangprobe.ensemble.records import Campaign, Outcome, Trial
from hangprobe.ensemble.sureness import standing
from hangprobe.report.comparison.answer import answer
from hangprobe.report.comparison.cells import blocks, cells
from hangprobe.report.comparison.design import design
from hangprobe.report.comparison.launchcontexts import comparisons
from hangprobe.report.comparison.names import OUTCOMES
from hangprobe.report.comparison.notes import notes_on
from hangprobe.report.comparison.pairs import pairs
from hangprobe.report.comparison.ratios import ratios
from hangprobe.report.comparison.recommend import recommendations, remedies
from hangprobe.report.comparison.unfinished import unfinished
from hangprobe.report.comparison.values import Comparison, OwnFailure

OWN = (Outcome.LAUNCHER_FAILED, Outcome.NOT_REGISTERED, Outcome.WORKER_LOST)
"""Outcomes that are the launcher's or Parsl's own doing, and told in their own words."""
WORDS_KEPT = 12
"""Last lines of a launcher's words that are shown: what it dies of stands at the end."""


def compare(campaign: Campaign, trials: Sequence[Trial]) -> Comparison:
    """Return the whole comparison."""
    judged = blocks(campaign, trials)
    known = standing(campaign, {each.number: each for each in trials})
    stopping = design(campaign, known)
    counted = cells(campaign, trials, judged, stopping)
    couples = pairs(counted, known)
    never = unfinished(couples, counted)
    failed = _failures(trials)
    cures = remedies(counted, [each for each in trials if each.outcome is Outcome.HUNG])
    site = campaign.environment.site
    return Comparison(
        name=campaign.name,
        answer=answer(counted, couples, judged, notes_on(counted, judged, failed, couples, never, stopping)),
        cells=counted,
        pairs=couples,
        ratios=ratios(counted, campaign.seed),
        contexts=comparisons(counted, couples, trials),
        failures=failed,
        remedies=cures,
        recommendations=recommendations(couples, cures, campaign.settings, site),
        blocks=judged,
        trials=len(trials),
        planned=len(campaign.plan),
        leftovers=sum(len(each.leftovers) for each in trials),
        command=campaign.command,
        seed=campaign.seed,
        started_at=campaign.started_at,
        settings=campaign.settings,
        environment=campaign.environment,
        unseen=tuple(sorted({each.host for trial in trials for each in trial.unseen})),
        unfinished=never,
        design=stopping,
    )


def _failures(trials: Sequence[Trial]) -> tuple[OwnFailure, ...]:
    totals = Counter(each.cell.launcher for each in trials)
    groups: dict[tuple[str, Outcome], list[Trial]] = {}
    for each in trials:
        if each.outcome in OWN:
            groups.setdefault((each.cell.launcher, each.outcome), []).append(each)
    return tuple(
        OwnFailure(
            launcher=name,
            outcome=OUTCOMES[outcome],
            trials=len(group),
            of=totals[name],
            why=group[0].why,
            words=next((each.words[-WORDS_KEPT:] for each in group if each.words), ()),
        )
        for (name, outcome), group in groups.items()
    )
