"""Digests of nodes by hand: each node has some ranks, of which some may be held."""

from __future__ import annotations

from collections.abc import Mapping

from hangprobe.digest import Digest
from hangprobe.explain.sentence import alike, sentence
from hangprobe.model import Launcher, RankState, Tier, Verdict
from hangprobe.ranksets import fold
from hangprobe.result import Finding, FoundProcess, FoundThread, FoundWait, RankResult

PROVEN = "fork-orphaned-lock"
STATES = {PROVEN: RankState.PROVEN, "launcher-stdin": RankState.LEAK, "stall": RankState.STALLED}
CLAUSE = "waits for a lock"


def row(rank: int, host: str, held_by: str | None = None, state: RankState | None = None) -> RankResult:
    state = state or (STATES[held_by] if held_by else RankState.PROGRESSING)
    mechanism = held_by if held_by != "stall" else None
    return RankResult(rank, host, 4200 + rank, 8000 + rank, 2.5 if held_by else None, mechanism, state)


def finding(host: str, ranks: list[int], mechanism: str = PROVEN, **changes: object) -> Finding:
    """Return what is said of some ranks of a node, each of which has a child that waits."""
    tier = Tier.LEAK if mechanism == "launcher-stdin" else Tier.PROVEN
    pids = [5200 + rank for rank in ranks]
    found = Finding(
        mechanism,
        tier,
        False,
        fold(ranks),
        tuple(FoundProcess(host, pid, 9000 + pid, forked=True) for pid in pids),
        tuple(FoundWait(host, pid, pid, "futex-private", "0x55d0", (FoundThread(1, 1),), 2.5) for pid in pids),
        {"lock": "python-lock"},
        "",
        evidence=(f"pid {pids[0]} has no thread that could", *([alike(len(ranks) - 1)] if len(ranks) > 1 else [])),
        mitigations=("spawn",),
        clause=CLAUSE,
    ).but(**changes)
    return found.but(says=sentence(found))


def node(host: str, held: Mapping[int, str | None], size: int | None = None, **changes: object) -> Digest:
    """Return the digest of a node whose ranks are held by these mechanisms, or by none."""
    causes = sorted({cause for cause in held.values() if cause in {PROVEN, "launcher-stdin"}}, key=str)
    found = tuple(finding(host, [rank for rank in sorted(held) if held[rank] == c], c) for c in causes if c)
    is_stalled = "stall" in held.values()
    fields: dict[str, object] = {
        "verdict": Verdict.HANG if found else Verdict.STALL if is_stalled else Verdict.OK,
        "is_known": True,
        "may_be_ended": PROVEN in held.values(),
        "launcher": Launcher.HYDRA if held else Launcher.NONE,
        "size": size,
        "ranks": tuple(row(rank, host, held[rank]) for rank in sorted(held)),
        "findings": found,
        "start_methods": {"fork": fold(held)} if held else {},
        "samples": 10,
        "double_collects": 2,
        "detected_after_s": 0.5 if found else None,
        "host": host if held else None,
    }
    return Digest(**(fields | changes))  # type: ignore[arg-type]
