"""What a finding says in one sentence, from its parts: so that findings of many nodes can be told as one.

ranks 1-5: the child that each forked without exec (pids 4 on node01, ...) waits for a lock; it can never wake
|          |                                                               |                |
ranks      subject: the processes                                          clause           hold: the tier
"""

from __future__ import annotations

from collections.abc import Sequence

from hangprobe.model import Tier
from hangprobe.ranksets import spoken_briefly
from hangprobe.result import Finding, FoundProcess

PIDS_SHOWN = 4
"""Processes named in the sentence; the others are in the document."""
HOLDS = {
    Tier.PROVEN: "; it can never wake unless it, or a process it waits for, is signalled or killed",
    Tier.LEAK: "; it waits as long as that is kept",
}
SUBJECTS = {"dead-helper": "every thread of"}
"""Mechanisms that hold no rank: what is said of their processes."""


def sentence(finding: Finding) -> str:
    """Return what a finding says; what it has said so far if it has no clause."""
    if finding.clause is None:
        return finding.says
    return f"{spoken_briefly(finding.ranks)}: {_subject(finding)} {finding.clause}{HOLDS.get(finding.tier, '')}"


def alike(others: int) -> str:
    """Return the line of evidence that says for how many more ranks the lines before it stand."""
    return f"the other {f'{others} ranks are' if others > 1 else 'rank is'} alike"


def _subject(finding: Finding) -> str:
    """Return who waits: "the child that it forked without exec (pid 4242)"."""
    total = finding.processes_total or len(finding.processes)
    pids = _pids(finding.processes, total)
    if finding.mechanism in SUBJECTS:
        return f"{SUBJECTS[finding.mechanism]} {pids}"
    if not finding.processes or finding.processes[0].forked is not True:
        return pids if total == 1 else f"each of {pids}"
    return f"the child that {'it' if total == 1 else 'each'} forked without exec ({pids})"


def _pids(processes: Sequence[FoundProcess], total: int) -> str:
    """Return processes in words, with their hosts where they are on several."""
    is_one_host = len({process.host for process in processes}) == 1
    named = processes[:PIDS_SHOWN]
    names = [str(each.pid) if is_one_host else f"{each.pid} on {each.host}" for each in named]
    return f"pid{'s' if total != 1 else ''} {', '.join(names)}" + (", ..." if total > len(named) else "")
