"""Documents by hand: a hang, and a job that went well."""

from __future__ import annotations

import os
from pathlib import Path

from hangprobe.explain.catalogue import ASSUMPTIONS
from hangprobe.model import Assumption, Launcher, RankState, Tier, Unreadable, Verdict
from hangprobe.result import (
    Finding,
    FoundProcess,
    FoundThread,
    FoundWait,
    Program,
    RankResult,
    Result,
    Watched,
)

GOLDEN = Path(__file__).parents[2] / "golden"
HOST = "node01"


def rank(
    number: int,
    state: RankState,
    since_s: float | None = None,
    mechanism: str | None = None,
    why: str | None = None,
) -> RankResult:
    return RankResult(number, HOST, 4210 + number, 8000 + number, since_s, mechanism, state, why)


def finding() -> Finding:
    """Return what is said of ranks 1 to 3 of the seed's program."""
    ranks = (1, 2, 3)
    return Finding(
        mechanism="fork-orphaned-lock",
        tier=Tier.PROVEN,
        likely=True,
        ranks="1-3",
        processes=tuple(FoundProcess(HOST, 4300 + n, 9000 + n, forked=True) for n in ranks),
        waits=(
            *(FoundWait(HOST, 4300 + n, 4300 + n, "futex-private", "0x55d0", ()) for n in ranks[:2]),
            FoundWait(HOST, 4303, 4303, "child", "pid 4999", (FoundThread(4999, 4999),)),
        ),
        detail={"lock": "python-lock"},
        says="ranks 1-3: the child that each forked without exec (pids 4301, 4302, 4303) waits for a Python lock whose "
        "holder is not a running thread of it; it can never wake unless it, or a process it waits for, is signalled or "
        "killed",
        evidence=(
            "rank 1, pid 4301 is at __enter__ (threading.py:168) < child (app.py:31) [py-spy]",
            "the semaphore at 0x55d0 has the value 0 and a waiter, and no thread of pid 4301 can post it",
            "the other 2 ranks are alike",
        ),
        mitigations=("spawn", "forkserver", "reinit-lock"),
    )


def hang(**changes: object) -> Result:
    """Return the document about a proven hang of four ranks."""
    fields: dict[str, object] = {
        "verdict": Verdict.HANG,
        "tier": Tier.PROVEN,
        "command": ("mpiexec", "-n", "4", "python", "app.py", "--lock", "a b"),
        "launcher": Launcher.HYDRA,
        "exit_status": None,
        "ended_by": "hangprobe",
        "started_at": "2026-11-22T16:00:00.000Z",
        "duration_s": 3.125,
        "detected_after_s": 0.613,
        "ranks": (
            rank(0, RankState.PROGRESSING),
            *(rank(n, RankState.PROVEN, 2.2 + n / 100, "fork-orphaned-lock") for n in (1, 2, 3)),
        ),
        "findings": (finding(),),
        "start_methods": {"fork": "0-3"},
        "watched": Watched(0.25, 12, 2),
        "unreadable": (Unreadable("stack of pid 4302", "no answer before the deadline"),),
        "program": None,
    }
    return Result(**(fields | changes))  # type: ignore[arg-type]


def well() -> Result:
    """Return the document about a reproducer under a mitigation that ended by itself."""
    return hang(
        verdict=Verdict.OK,
        tier=None,
        exit_status=0,
        ended_by="itself",
        detected_after_s=None,
        ranks=tuple(rank(n, RankState.EXITED) for n in range(4)),
        findings=(),
        start_methods={"spawn": "0-3"},
        unreadable=(),
        program=Program("thread-lock", "rlock", "spawn"),
    )


def stalled() -> Result:
    """Return the document about a stall in which something recovered before, still running."""
    gone = finding()
    fields = {name: getattr(gone, name) for name in gone.__struct_fields__}
    recovered = Finding(**{**fields, "recovered": True, "assumptions": ("A1", "A2"), "mitigations": ()})
    return hang(
        verdict=Verdict.STALL,
        tier=Tier.STALLED,
        ended_by=None,
        detected_after_s=None,
        ranks=(rank(0, RankState.STALLED, 61.0), rank(1, RankState.STALLED, 75.5), rank(2, RankState.WAITING)),
        findings=(recovered,),
        start_methods={},
        launcher=Launcher.NONE,
    )


def leak() -> Result:
    """Return the document about a rank that waits for a leaked lock, beside one that waits for a held one."""
    leaked = finding().but(
        mechanism="leaked-file-lock",
        tier=Tier.LEAK,
        likely=False,
        ranks="1",
        processes=(FoundProcess(HOST, 4211, 8001, forked=False),),
        waits=(
            FoundWait(HOST, 4211, 4211, "file-lock", "FLOCK on /scratch/run.lock", (FoundThread(4400, 4400),)),
        ),
        detail={"lock": "flock"},
        says="rank 1: pid 4211 waits for a lock on a file that a forked child of another process keeps since the fork; "
        "it waits as long as that is kept",
        assumptions=(ASSUMPTIONS[Assumption.A1], ASSUMPTIONS[Assumption.A2]),
        evidence=("the lock is kept by pid 4400, forked without exec by pid 4210, which took the lock, runs and has "
                  "the file no more",),
        mitigations=("unlock-explicitly", "spawn"),
    )  # fmt: skip
    held = "waits for FLOCK on /scratch/other.lock, held by pid 4400"
    return hang(
        tier=Tier.LEAK,
        ranks=(
            rank(0, RankState.PROGRESSING),
            rank(1, RankState.LEAK, 61.0, "leaked-file-lock"),
            rank(2, RankState.BLOCKED, 12.0, why=held),
            rank(3, RankState.BLOCKED, 12.5, why=held),
        ),
        findings=(leaked,),
        unreadable=(),
    )


def golden(name: str, text: str) -> str:
    """Return a golden file; with HANGPROBE_GOLDEN=write it becomes `text` first."""
    file = GOLDEN / name
    if os.environ.get("HANGPROBE_GOLDEN") == "write":
        file.write_text(text)
    return file.read_text()
