"""The document about a job of very many ranks: as many as a quick test can do with."""

from __future__ import annotations

from hangprobe.explain.sentence import sentence
from hangprobe.model import RankState, Unreadable, Verdict
from hangprobe.ranksets import fold
from hangprobe.result import Result

from .builders import finding, hang, rank

RANKS, NODES = 4096, 512


def vast(kinds: int = 6) -> Result:
    """Return a hang of every 64th rank, some ranks that are blocked for many reasons, and nodes that cannot be read."""
    held = set(range(0, RANKS, 64))
    blocked = range(1, RANKS, 100)
    rows = [rank(n, RankState.WAITING, 2.5).but(host=f"node{n % NODES:04}") for n in range(RANKS)]
    for number in held:
        rows[number] = rows[number].but(state=RankState.PROVEN, mechanism="fork-orphaned-lock")
    for number in blocked:
        why = f"waits for FLOCK on /scratch/{number}.lock, held by pid {number}"
        rows[number] = rows[number].but(state=RankState.BLOCKED, why=why)
    clause = "waits for a Python lock whose holder is not a running thread of it"
    found = finding().but(ranks=fold(held), clause=clause, processes_total=len(held), waits_total=len(held))
    others = [
        found.but(detail={"lock": f"kind {number}"}, ranks=str(number), processes_total=None)
        for number in range(1, kinds)
    ]
    unread = [
        Unreadable(f"node[{number:04}-0511]: syscall of pid {number}", "Permission denied") for number in range(40)
    ]
    return hang(
        verdict=Verdict.HANG,
        ranks=tuple(rows),
        findings=tuple(each.but(says=sentence(each)) for each in (found, *others)),
        start_methods={"fork": fold(range(0, RANKS, 2))},
        unreadable=tuple(unread),
        size=RANKS,
    )
