"""What is counted of each cell of a campaign. Pure.

- A trial counts if it was started: `infrastructure` says nothing of any launcher and is counted beside.
- A block is evidence if its controls did what they must (`ensemble.outcomes.in_doubt`). Trials of other blocks are
  excluded, and how many is said.
- The controls themselves are counted over all blocks: by choosing the blocks in which they hung, their rate would be 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from hangprobe.ensemble.outcomes import MUST, UNASKED, in_doubt
from hangprobe.ensemble.plan import role
from hangprobe.ensemble.records import Campaign, Cell, Outcome, TaskState, Trial
from hangprobe.ranksets import fold_hosts
from hangprobe.report.comparison.names import OUTCOMES, count
from hangprobe.report.comparison.values import (
    Block,
    CellResult,
    Design,
    HostSeen,
    HungRate,
    MechanismSeen,
    StartSeen,
    Times,
)
from hangprobe.result import Finding
from hangprobe.stats.rates import bound_sentence, rate


def blocks(campaign: Campaign, trials: Sequence[Trial]) -> tuple[Block, ...]:
    """Return every block that has a trial, and whether it is evidence."""
    doubts = in_doubt(campaign.plan, trials)
    return tuple(Block(each, each not in doubts, doubts.get(each)) for each in sorted({e.block for e in trials}))


def cells(
    campaign: Campaign, trials: Sequence[Trial], judged: Sequence[Block], design: Design | None = None
) -> tuple[CellResult, ...]:
    """Return what is counted of each cell, in the campaign's order; cells of controls come after the others."""
    evidence = {each.number for each in judged if each.is_evidence}
    roles = {each.cell: role(each.cell.workload, each.control) for each in campaign.plan}
    controls = {cell: must for cell, must in roles.items() if must is not None}
    begun = {each.number for each in trials}
    last = design.blocks if design is not None and design.is_sure else None
    open_ = [each for each in campaign.plan if each.number not in begun]
    missing = Counter(each.cell for each in open_ if last is None or each.block <= last)
    spared = Counter(each.cell for each in open_ if last is not None and each.block > last)
    found = []
    for cell in _in_order(campaign, controls):
        own = [each for each in trials if each.cell == cell]
        counted = [each for each in own if cell in controls or each.block in evidence]
        result = _cell(cell, controls.get(cell), counted, len(own) - len(counted), missing[cell])
        found.append(result.but(not_needed=spared[cell]))
    return tuple(found)


def _in_order(campaign: Campaign, controls: Mapping[Cell, str]) -> list[Cell]:
    """Return the cells that were asked for, then the controls: what must hang, what must complete."""
    asked = [each for each in campaign.cells if each not in controls]
    launchers = list(dict.fromkeys(each.launcher for each in (*campaign.cells, *sorted(controls))))
    roles = list(MUST)
    last = sorted(controls, key=lambda each: (roles.index(controls[each]), launchers.index(each.launcher), each))
    return [*dict.fromkeys(asked), *last]


def _cell(cell: Cell, control: str | None, counted: list[Trial], excluded: int, missing: int) -> CellResult:
    outcomes = Counter(each.outcome for each in counted)
    hung = [each for each in counted if each.outcome is Outcome.HUNG]
    seen = rate(len(hung), len(counted) - outcomes[Outcome.INFRASTRUCTURE])
    return CellResult(
        cell=cell,
        control=control,
        rate=HungRate(seen.hung, seen.started, seen.low, seen.high),
        says=bound_sentence(seen),
        outcomes={each.value: outcomes[each] for each in Outcome if outcomes[each]},
        excluded=excluded,
        missing=missing,
        mechanisms=_mechanisms(hung),
        hosts=_hosts(hung),
        start_methods=_start_methods(counted),
        times=tuple(_times(each) for each in counted if each.outcome is Outcome.COMPLETED),
        example=_example(counted),
    )


def could_hang(result: CellResult) -> int:
    """Return how many trials came so far that they could have hung: the launcher and its managers did their part."""
    return result.rate.started - sum(result.outcomes.get(each.value, 0) for each in UNASKED)


def otherwise(result: CellResult) -> int:
    """Return how many started trials neither completed nor hung."""
    return result.rate.started - result.rate.hung - result.outcomes.get(Outcome.COMPLETED.value, 0)


def beside(result: CellResult) -> list[str]:
    """Return the outcomes that are neither completed nor hung, and what was not counted, in words."""
    names = {each.value: OUTCOMES[each] for each in Outcome if each not in {Outcome.COMPLETED, Outcome.HUNG}}
    words = [f"{number} {names[value]}" for value, number in result.outcomes.items() if value in names]
    words += [f"{result.excluded} excluded"] if result.excluded else []
    return words + ([f"{result.missing} not run"] if result.missing else [])


def hung_hosts(trial: Trial) -> list[str]:
    """Return the nodes on which something hung: by the tasks, else by the processes of the findings."""
    by_task = [each.host for each in trial.tasks if each.state is TaskState.HUNG and each.host]
    found = by_task or [each.host for finding in trial.findings for each in finding.processes]
    return list(dict.fromkeys(found))


def _hosts(hung: list[Trial]) -> tuple[HostSeen, ...]:
    every = dict.fromkeys(host for each in hung for host in (*each.managers_expected, *hung_hosts(each)))
    counts = Counter(host for each in hung for host in hung_hosts(each))
    groups: dict[int, list[str]] = {}
    for host in every:
        groups.setdefault(counts[host], []).append(host)
    return tuple(HostSeen(fold_hosts(hosts), number) for number, hosts in sorted(groups.items(), reverse=True))


def _mechanisms(hung: list[Trial]) -> tuple[MechanismSeen, ...]:
    counts = Counter((each.mechanism, each.tier.value) for trial in hung for each in _once(trial))
    return tuple(MechanismSeen(name, tier, number) for (name, tier), number in counts.most_common())


def _once(trial: Trial) -> list[Finding]:
    return list({(each.mechanism, each.tier): each for each in trial.findings}.values())


def _start_methods(counted: list[Trial]) -> tuple[StartSeen, ...]:
    counts: Counter[tuple[str, str | None]] = Counter()
    for manager in (each for trial in counted for each in trial.managers):
        for method, workers in manager.start_methods.items():
            counts[method, manager.start_method_said] += workers
    return tuple(StartSeen(seen, said, workers) for (seen, said), workers in counts.most_common())


def _times(trial: Trial) -> Times:
    measured = (trial.registered_s, trial.first_task_s, trial.makespan_s, trial.throughput)
    return Times(trial.number, trial.block, *measured)


def _example(counted: list[Trial]) -> int | None:
    order = {Outcome.HUNG: 0, Outcome.COMPLETED: 1}
    best = min(counted, key=lambda each: (order.get(each.outcome, 2), each.number), default=None)
    return best.number if best is not None else None


def told(result: CellResult) -> str:
    """Return "20 of 20 hung" or "none of 3 could be started"."""
    if not result.rate.started:
        total = sum(result.outcomes.values())
        return f"none of {count(total, 'trial')} could be started" if total else "not run"
    return f"{result.rate.hung} of {result.rate.started} hung"
