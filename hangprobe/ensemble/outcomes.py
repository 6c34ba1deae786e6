"""How a trial ended: facts -> outcome and one sentence. Pure.

The facts of a trial may fit several outcomes, and the first of these is taken:

1. **infrastructure**, if the trial could not be made or not be ended: no fact of it can be trusted.
2. **hung**: the watchdog's verdict is `hang`. It rests on proof, or on a leak that is told in full; whatever else went
   wrong (a hung manager loses its heartbeat, Parsl gives its tasks up, the launcher ends) may follow from it.
3. **manager-not-registered**: a manager lives, and never registered. Before launcher-failed, because the launcher has
   started what it was to start.
4. **launcher-failed**: it ended before its managers could work, or put them where they were not wanted. Before
   worker-lost and task-failed: tasks that nobody can run fail too.
5. **worker-lost**: a worker or manager went in the middle of its task. Before task-failed, because Parsl reports it as
   a failure of that task.
6. **task-failed**: a task raised.
7. **stalled**: a task has not ended, and why is not proven. Behind all that would explain it.
8. **completed**: every task has returned, and rightly.

Only `hung` counts as hung.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hangprobe.ensemble.plan import role
from hangprobe.ensemble.records import ManagerSeen, Outcome, Planned, TaskSeen, TaskState, Trial
from hangprobe.model import Verdict
from hangprobe.ranksets import fold_hosts
from hangprobe.result import Finding

LOST = re.compile(r"\b(WorkerLost|ManagerLost|Worker(?: \S+)? lost|Task failure due to loss of)", re.IGNORECASE)
"""Parsl's words for a task whose worker or manager has gone: errors.py of its high-throughput executor."""
REFUSED, BLOCK_ENDED, DEADLINE = 3, 4, 5
"""Exit codes of htex_child.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a trial that has ended."""

    expected: tuple[str, ...]
    """Hosts, one entry for each manager."""
    managers: tuple[ManagerSeen, ...] = ()
    """All that were seen: in the live tree, or registered."""
    tasks: tuple[TaskSeen, ...] = ()
    verdict: Verdict | None = None
    """Of the watchdog; None if it never judged."""
    findings: tuple[Finding, ...] = ()
    exit_status: int | None = None
    """Of the driver; None if it was ended."""
    block_ended: str | None = None
    """What the driver says of a launcher that ended before its tasks had; None if it did not."""
    words: tuple[str, ...] = ()
    """What the launcher said, its last lines."""
    refused: tuple[str, ...] = ()
    """Why the driver refused its configuration."""
    trouble: str | None = None
    """Why the trial could not be made, or not be ended cleanly; None if it could."""
    ended_because: str | None = None
    """Why the runner ended it; None if it ended by itself."""


class Judged(NamedTuple):
    """An outcome and its sentence, without a full stop."""

    outcome: Outcome
    why: str


def judge(facts: Facts) -> Judged:
    """Return the first outcome that fits, in the order above."""
    for outcome, reason in (
        (Outcome.INFRASTRUCTURE, _infrastructure),
        (Outcome.HUNG, _hung),
        (Outcome.NOT_REGISTERED, _not_registered),
        (Outcome.LAUNCHER_FAILED, _launcher_failed),
        (Outcome.WORKER_LOST, _worker_lost),
        (Outcome.TASK_FAILED, _task_failed),
        (Outcome.STALLED, _stalled),
    ):
        why = reason(facts)
        if why is not None:
            return Judged(outcome, why)
    return Judged(Outcome.COMPLETED, f"all {len(facts.tasks)} tasks done")


def _infrastructure(facts: Facts) -> str | None:
    if facts.trouble is not None:
        return facts.trouble
    if facts.exit_status == REFUSED or facts.refused:
        return f"the configuration was refused: {'; '.join(facts.refused) or 'see driver.err'}"
    # nothing was submitted, and that for none of the reasons that the driver knows
    if not facts.tasks and facts.exit_status not in (None, BLOCK_ENDED, DEADLINE):
        return f"the driver ended with status {facts.exit_status} before it had submitted anything: see driver.err"
    return None


def _hung(facts: Facts) -> str | None:
    if facts.verdict is not Verdict.HANG:
        return None
    hung = [task for task in facts.tasks if task.state is TaskState.HUNG]
    causes = dict.fromkeys(finding.mechanism for finding in facts.findings if finding.tier.value in {"proven", "leak"})
    because = f": {', '.join(causes)}" if causes else ""
    if not hung:
        return f"hung outside of any task{because}"
    where = fold_hosts(dict.fromkeys(task.host for task in hung if task.host is not None))
    return f"{_count(len(hung), len(facts.tasks))} hung on {where}{because}"


def _not_registered(facts: Facts) -> str | None:
    if facts.block_ended is not None:
        return None  # its managers have ended with it
    silent = [manager for manager in facts.managers if manager.registered_s is None]
    if not silent:
        return None
    hosts = fold_hosts(dict.fromkeys(manager.host for manager in silent))
    return f"{len(silent)} of {len(facts.expected)} managers live and never registered: {hosts}"


def _launcher_failed(facts: Facts) -> str | None:
    said = f': "{facts.words[-1].strip()}"' if facts.words else ""
    if facts.block_ended is not None and not _are_all_done(facts):
        return f"the launcher ended before its tasks had ({facts.block_ended}){said}"
    misplaced = placement(facts.expected, [manager.host for manager in facts.managers])
    if misplaced is not None:
        return f"managers expected on {misplaced}{said}"
    return None


def short(host: str) -> str:
    """Return a host's name without its domain; an address as it is."""
    return host if _is_address(host) else host.partition(".")[0]


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def placement(expected: Sequence[str], seen: Sequence[str]) -> str | None:
    """Return where managers are not as expected, wanting hosts first: "node03: none; node01: 2"; None if they are.

    None also if the nodes were named by addresses, which managers do not tell, and there are as many as expected.
    """
    wanted, found = Counter(expected), Counter(seen)
    if all(map(_is_address, expected)) and sorted(wanted.values()) == sorted(found.values()):
        return None
    differing = [host for host in dict.fromkeys([*expected, *seen]) if wanted[host] != found[host]]
    if not differing:
        return None
    missing = [host for host in differing if found[host] < wanted[host]]
    others = [host for host in differing if found[host] > wanted[host]]
    return "; ".join(f"{host}: {found[host] or 'none'}" for host in [*missing, *others])


def _worker_lost(facts: Facts) -> str | None:
    lost = [task for task in facts.tasks if _is_lost(task)]
    if not lost:
        return None
    hosts = fold_hosts(dict.fromkeys(task.host for task in lost if task.host is not None))
    return f"{_count(len(lost), len(facts.tasks))} lost with their worker{f' on {hosts}' if hosts else ''}"


def _is_lost(task: TaskSeen) -> bool:
    if task.state is TaskState.FAILED:
        return bool(LOST.search(task.why or ""))
    return task.state is TaskState.LOST and task.began_s is not None


def _task_failed(facts: Facts) -> str | None:
    failed = [task for task in facts.tasks if task.state is TaskState.FAILED]
    if not failed:
        return None
    why = next((task.why for task in failed if task.why), None)
    return f"{_count(len(failed), len(facts.tasks))} failed{f': {why}' if why else ''}"


def _stalled(facts: Facts) -> str | None:
    open_tasks = [task for task in facts.tasks if task.state is not TaskState.DONE]
    ended = f" ({facts.ended_because})" if facts.ended_because else ""
    if open_tasks:
        return f"{_count(len(open_tasks), len(facts.tasks))} not ended, and why is not proven{ended}"
    if not facts.tasks:
        return f"no task was ever submitted{ended}"
    if facts.verdict is Verdict.STALL or facts.exit_status is None or facts.exit_status == DEADLINE:
        return f"all tasks done, and the ensemble did not end{ended}"
    return None


def _are_all_done(facts: Facts) -> bool:
    return bool(facts.tasks) and all(task.state is TaskState.DONE for task in facts.tasks)


def _count(some: int, every: int) -> str:
    return f"{some} of {every} tasks"


UNASKED = frozenset({Outcome.LAUNCHER_FAILED, Outcome.NOT_REGISTERED})
"""Outcomes of a control that say nothing of its block: the workload was never run."""
MUST = {"must-hang": Outcome.HUNG, "must-complete": Outcome.COMPLETED}


def in_doubt(plan: Iterable[Planned], trials: Iterable[Trial]) -> dict[int, str]:
    """Return the blocks that are no evidence, each with its reason: a control did otherwise than it must.

    So is a block in which no control has been seen to do what it must; one that is not whole yet may be among them.
    """
    ended = {trial.number: trial for trial in trials}
    doubts: dict[int, str] = {}
    kept: set[tuple[int, str]] = set()
    blocks: set[int] = set()
    for planned in plan:
        must = role(planned.cell.workload, planned.control)
        trial = ended.get(planned.number)
        blocks.add(planned.block)
        if must is None or trial is None or trial.outcome in UNASKED:
            continue
        if trial.outcome is MUST[must]:
            kept.add((planned.block, must))
        else:
            doubts.setdefault(
                planned.block, f"{planned.cell.workload} under {planned.cell.launcher} {must}: {trial.outcome}"
            )
    for block in sorted(blocks):
        if missing := [must for must in MUST if (block, must) not in kept]:
            doubts.setdefault(block, f"no control that {' or '.join(missing)} has done so")
    return doubts
