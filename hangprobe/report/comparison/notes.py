"""What stands below the first sentence: excluded blocks, launchers that failed, what the figures cannot exclude. Pure.

Backticks as in `answer`. Nothing is said of what did not happen.
"""

from __future__ import annotations

from collections.abc import Sequence

from hangprobe.report.comparison.names import confidence, count, launcher, listed, plain, sentence_case
from hangprobe.report.comparison.values import Block, CellResult, Design, Effect, OwnFailure, Pair, Unfinished


def notes_on(
    cells: Sequence[CellResult],
    blocks: Sequence[Block],
    failures: Sequence[OwnFailure],
    pairs: Sequence[Pair],
    unfinished: Sequence[Unfinished] = (),
    design: Design | None = None,
) -> tuple[str, ...]:
    """Return what must be known to judge the answer."""
    notes = [design.says] if design is not None else []
    notes += [each.says for each in unfinished]
    for name in dict.fromkeys(each.launcher for each in failures):
        own = sorted((each for each in failures if each.launcher == name), key=lambda each: -each.trials)
        ended = listed(f"{each.trials} as {each.outcome} ({plain(each.why).rstrip('.')})" for each in own)
        text = f"{sentence_case(launcher(name))}: of {own[0].of} trials ended {ended}"
        notes.append(f"{plain(text)}; these are no hangs, and are not dropped.")
    bad = [each for each in blocks if not each.is_evidence]
    if bad:
        why = "; ".join(dict.fromkeys(part for each in bad for part in plain(each.why or "").split("; ")))
        notes.append(f"{len(bad)} of {count(len(blocks), 'block')} excluded, for a control did not do its part: {why}.")
    lost = sum(each.outcomes.get("infrastructure", 0) for each in cells)
    if lost:
        notes.append(f"{count(lost, 'trial')} could not be made or ended cleanly (infrastructure); in no rate.")
    missing = sum(each.missing for each in cells)
    notes += [f"{count(missing, 'planned trial')} not run: the campaign has not ended."] if missing else []
    spared = sum(each.not_needed for each in cells)
    if spared and design is not None:
        notes.append(f"{count(spared, 'planned trial')} not needed: it was sure after block {design.blocks}.")
    return (*notes, *_start_methods(cells), *_statistics(cells, pairs, design))


def _start_methods(cells: Sequence[CellResult]) -> list[str]:
    """Return where Parsl's log and the live tree differ."""
    seen = ((each.cell.parsl, start) for each in cells for start in each.start_methods)
    wrong = {(parsl, each.said, each.seen) for parsl, each in seen if each.said is not None and each.said != each.seen}
    return [
        f"Parsl {plain(parsl)} logs that its workers are started by {plain(said)}; they were seen to be started by "
        f"{plain(method)}."
        for parsl, said, method in sorted(wrong)
    ]


def _statistics(cells: Sequence[CellResult], pairs: Sequence[Pair], design: Design | None) -> list[str]:
    """Return what the figures are, and what they cannot exclude."""
    results = {each.cell: each for each in cells}
    cured = [results[each.second] for each in pairs if each.effect is Effect.CURES]
    fewest = min(cured, key=lambda each: each.rate.started, default=None)
    notes = [f"A cure is no promise: {fewest.says}."] if fewest is not None else []
    compared = [each for each in pairs if each.difference is not None and results[each.first].control is None]
    if compared and design is not None:
        notes.append(
            "Intervals of differences are those of the looks (repeated confidence intervals, Jennison and Turnbull): "
            f"{confidence(design.level)} each and {confidence(design.together)} together, whenever one stops. "
            "Intervals of rates (exact, Clopper and Pearson) and bounds are those of as many trials fixed beforehand."
        )
    elif compared:
        notes.append(
            "Exact 95 % intervals: of a rate Clopper and Pearson's, of a difference Barnard's test turned round; "
            f"p-values are Holm's over {count(len(compared), 'comparison')}."
        )
    return notes
