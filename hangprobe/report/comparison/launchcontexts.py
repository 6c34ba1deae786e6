"""What two launchers give the managers that they start, and which hang that explains. Pure.

A comparison is attached to tickets and published: names of the user's own variables are counted in it and not told,
unless a rule explains a mechanism by them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hangprobe.context.values import LaunchContext
from hangprobe.ensemble.records import Trial
from hangprobe.explain.contextdiff import (
    NOT_KNOWN,
    NOTHING,
    Alike,
    Change,
    Direction,
    Explanation,
    LauncherDiff,
    diff_two,
)
from hangprobe.ranksets import fold_hosts, unfold
from hangprobe.report.comparison.names import count, launcher
from hangprobe.report.comparison.pairs import partners
from hangprobe.report.comparison.values import (
    CellResult,
    ContextChange,
    ContextComparison,
    ContextExplanation,
    ContextGroup,
    Effect,
    Pair,
)
from hangprobe.report.contexts import launcher_lines

LONGEST = 600
"""Characters of a value that are kept: of a PATH."""
NAMES = "variables"
"""The attribute of `explain.contextwords` that lists names of variables which are no launcher's."""


def comparisons(
    cells: Sequence[CellResult], pairs: Sequence[Pair], trials: Sequence[Trial]
) -> tuple[ContextComparison, ...]:
    """Return one comparison for each MPI, Parsl and other launcher: that of a cured workload where there is one."""
    by_number = {each.number: each for each in trials}
    effects = {(each.first, each.second): each for each in pairs}
    order = list(Effect)
    couples = sorted(partners(cells), key=lambda each: order.index(effects[each[0].cell, each[1].cell].effect))
    found: dict[tuple[str, str, str], ContextComparison] = {}
    for first, second in couples:
        key = (first.cell.mpi, first.cell.parsl, second.cell.launcher)
        a, b = (_best(each, by_number) for each in (first, second))
        if key not in found and a is not None and b is not None:
            found[key] = _compare(first, second, (a, b), effects[first.cell, second.cell])
    return tuple(found.values())


def _best(result: CellResult, trials: dict[int, Trial]) -> Trial | None:
    """Return the trial of the cell in which most managers were looked at, that which stands for the cell among these.

    A trial can be over before all its managers have been looked at.
    """
    seen = [each for each in trials.values() if each.cell == result.cell and each.contexts]
    return max(seen, key=lambda each: (len(_contexts(each)), each.number == result.example, -each.number), default=None)


def _compare(first: CellResult, second: CellResult, trials: tuple[Trial, Trial], pair: Pair) -> ContextComparison:
    names = (launcher(first.cell.launcher), launcher(second.cell.launcher))
    diff = _counted(diff_two(_contexts(trials[0]), _contexts(trials[1]), names))
    cured = {each.mechanism for each in first.mechanisms} if pair.effect in {Effect.CURES, Effect.RARER} else set()
    one, other = trials
    changes = tuple(
        ContextChange(each.attribute, _spoken(each.title), _groups(each.first, one), _groups(each.second, other))
        for each in diff.changes
    )
    return ContextComparison(
        first=first.cell,
        second=second.cell,
        first_trial=trials[0].number,
        second_trial=trials[1].number,
        changes=changes,
        explanations=tuple(_explanation(each, names, trials) for each in diff.explanations),
        lines=tuple(_spoken(line) for line in launcher_lines(diff)),
        why=_why(diff, trials, cured),
    )


def _counted(diff: LauncherDiff) -> LauncherDiff:
    """Return `diff` with the names of other variables as their number, unless they explain something."""
    if any(each.attribute == NAMES for each in diff.explanations):
        return diff
    return diff.but(changes=tuple(_number(each) if each.attribute == NAMES else each for each in diff.changes))


def _number(change: Change) -> Change:
    first, second = (
        tuple(each.but(value=_how_many(each.value)) for each in side) for side in (change.first, change.second)
    )
    return change.but(first=first, second=second)


def _how_many(names: str) -> str:
    return names if names in {NOTHING, NOT_KNOWN} else count(len(names.split(", ")), "name")


def _contexts(trial: Trial) -> dict[int, LaunchContext]:
    """Return what the managers were given, by the place of their node in the node file.

    A launcher's own numbers are no nodes: GNU parallel has been seen to number three from the last to the first.
    """
    places = _places(trial)
    return {places.get(index, index): each.context for each in trial.contexts for index in unfold(each.ranks)}


def _places(trial: Trial) -> dict[int, int]:
    """Return the launcher's number of each manager -> its node's place; empty where nodes do not tell them apart."""
    hosts = list(trial.managers_expected)
    found = {each.index: hosts.index(each.host) for each in trial.managers if each.host in hosts}
    is_clear = len(set(hosts)) == len(hosts) and len(set(found.values())) == len(found) == len(trial.managers)
    return found if is_clear else {}


def _explanation(found: Explanation, names: tuple[str, str], trials: tuple[Trial, Trial]) -> ContextExplanation:
    first, second = (_where(trial, ranks) for trial, ranks in zip(trials, (found.first, found.second), strict=True))
    if found.direction is Direction.BOTH:
        where = f"{first} under {names[0]}, {second} under {names[1]}"
    elif found.direction is Direction.FIRST:
        where = f"{first} under {names[0]} only"
    else:
        where = f"{second} under {names[1]} only"
    return ContextExplanation(found.mechanism, where, _spoken(found.says))


def _groups(groups: tuple[Alike, ...], trial: Trial) -> tuple[ContextGroup, ...]:
    return tuple(ContextGroup(_where(trial, each.ranks), _short(_spoken(each.value))) for each in groups)


def _where(trial: Trial, ranks: str) -> str:
    """Return the nodes of managers, which the launcher numbers."""
    places = _places(trial)
    hosts = {places.get(each.index, each.index): each.host for each in trial.managers}
    expected = dict(enumerate(trial.managers_expected))
    return fold_hosts(hosts.get(index) or expected.get(index) or f"manager {index}" for index in sorted(unfold(ranks)))


def _spoken(text: str) -> str:
    """Return `text` about managers: to a launcher they are the ranks that it starts."""
    return re.sub(r"\b([Rr])ank(s?)\b", lambda found: f"{'M' if found[1] == 'R' else 'm'}anager{found[2]}", text)


def _short(value: str) -> str:
    return value if len(value) <= LONGEST else value[:LONGEST] + " ..."


def _why(diff: LauncherDiff, trials: tuple[Trial, Trial], cured: set[str]) -> str | None:
    """Return what in the contexts makes the cured mechanism possible under the first launcher alone."""
    found = next((e for e in diff.explanations if e.mechanism in cured and e.direction is not Direction.SECOND), None)
    change = next((each for each in diff.changes if found is not None and each.attribute == found.attribute), None)
    if found is None or change is None:
        return None
    held = unfold(found.first)
    title = "descriptor 0 (standard input)" if change.attribute == "stdin" else change.title
    under = (_told(change.first, trials[0], held), _told(change.second, trials[1], held))
    return (
        f"under {diff.names[0]}, {title} of the managers on {_where(trials[0], found.first)} is: {under[0]}; under "
        f"{diff.names[1]}, {under[1]}. Workers inherit it from their manager, and {_spoken(found.says)}"
    )


def _told(groups: tuple[Alike, ...], trial: Trial, managers: set[int]) -> str:
    """Return what these managers have; where they differ, each with its nodes."""
    own = [each for each in groups if unfold(each.ranks) & managers]
    if len(own) == 1:
        return _spoken(own[0].value)
    return " and ".join(f"{_spoken(each.value)} (on {_where(trial, each.ranks)})" for each in own)
