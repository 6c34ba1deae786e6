"""One run of one look-alike under the watchdog, in a process of its own; its row goes to `row.json`.

Apart from the benchmark because probe() makes its process a subreaper and takes its signals, and because some cases
run all of hangprobe as another user or in a namespace. Exit status 77: the case cannot exist on this machine.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from hangprobe.launch.session import Capture, LaunchSpec
from hangprobe.model import Tier
from hangprobe.policy import Policy
from hangprobe.probe import Ends, OnHang, OnStall, Outcome, Silent, probe
from hangprobe.watched import Alone, Watched
from scripts.benchmarks.jobs import marks
from scripts.benchmarks.lookalikes_cases import Case, Place, find

COLLECTS_WANTED = 10
"""Double collects in the look-alike state, at least, where every sample takes one."""
CANNOT_EXIST = 77
"""The exit status by which a program says that its look-alike cannot exist here (automake's word for a skip)."""
SIGHTS_EVERY = 3
"""Samples from one look at the kernel functions to the next: they are evidence for the benchmark, not for hangprobe."""
CALLED_HUNG, TOO_FEW = "called hung", "looked at too seldom"
ALARMS = frozenset({Tier.PROVEN, Tier.LEAK, Tier.STALLED})


class Mode(StrEnum):
    """How closely hangprobe looks."""

    EVERY_SAMPLE = "every sample"
    PRODUCTION = "production"

    @property
    def policy(self) -> Policy:
        """The policy of this mode."""
        return Policy(interval_s=0.1, collect_always=True) if self is Mode.EVERY_SAMPLE else Policy()


class Sights(Silent):
    """Notes in which kernel functions the job's threads are blocked while it looks hung (`/proc/PID/task/TID/wchan`).

    A look-alike is worth something only if it really is in the state that it claims.
    """

    def __init__(self, folder: Path) -> None:
        """Watch the marks in a folder."""
        self.folder = folder
        self.seen: set[str] = set()

    def sampled(self, watched: Watched) -> None:
        """Look, if the job is in its look-alike state."""
        assert isinstance(watched, Alone)
        if watched.here.samples % SIGHTS_EVERY or inside(self.folder) is None:
            return
        for pid in {member.pid for rank in watched.here.ranks for member in rank.members}:
            with suppress(OSError):  # a thread, or the whole process, may be gone by now
                for tid in os.listdir(f"/proc/{pid}/task"):
                    self.seen.add(Path(f"/proc/{pid}/task/{tid}/wchan").read_text())


def main() -> int:
    """Run the case that the command line names."""
    name, mode, folder, binaries = sys.argv[1:]
    case, place = find(name), Place(Path(folder), Path(binaries))
    sights = Sights(place.folder)
    outcome = run(case, Mode(mode), place, sights)
    if outcome.by_signal is not None:
        return 128 + outcome.by_signal
    if outcome.result.exit_status == CANNOT_EXIST:
        return CANNOT_EXIST
    row = as_row(outcome, place.folder, sights.seen)
    row["wrong"] = wrong(row, case, Mode(mode))
    (place.folder / "row.json").write_text(json.dumps(row))
    return 0


def run(case: Case, mode: Mode, place: Place, sights: Sights) -> Outcome:
    """Run a case; whatever looks like a hang is ended at once."""
    # A case with a writer outside reads what this process has as its standard input.
    capture = None if case.outside else Capture(place.folder / "job.out", place.folder / "job.err")
    spec = LaunchSpec(
        case.command(place),
        tag=f"lookalike-{os.getpid()}-{place.folder.name}",
        environment={"HANGPROBE_MARKS": str(place.folder)},
        capture=capture,
    )
    ends = Ends(OnHang.KILL, OnStall.KILL, grace_s=0.0, timeout_s=90.0)
    return probe(spec, ends, mode.policy, sights, place.folder / "record.jsonl")


def as_row(outcome: Outcome, folder: Path, seen: set[str]) -> dict[str, Any]:
    """Return what became of a run."""
    result, times = outcome.result, inside(folder)
    alarms = [finding for finding in result.findings if finding.tier in ALARMS and finding.mechanism != "dead-helper"]
    return {
        "verdict": result.verdict,
        "ended_by": result.ended_by,
        "exit_status": result.exit_status,
        "alarms": [f"{finding.tier}: {finding.says}" for finding in alarms],
        "findings": sorted({f"{finding.tier} {finding.mechanism}" for finding in result.findings}),
        "double_collects": result.watched.double_collects,
        "collects_in_look_alike": sum(times[0] < at_s < times[1] for at_s in outcome.collects) if times else 0,
        "look_alike_s": round(times[1] - times[0], 2) if times and times[1] < float("inf") else None,
        "wchans": sorted(seen),
    }


def inside(folder: Path) -> tuple[float, float] | None:
    """Return when every rank was in its look-alike state; infinite: it still is; None: none is, or was."""
    rows = [row for rank in marks(folder).values() for row in rank]
    began = [at_s for at_s, _, word in rows if word == "look-alike"]
    ended = [at_s for at_s, _, word in rows if word == "look-alike-ends"]
    return (max(began), min(ended, default=float("inf"))) if began else None


def wrong(row: dict[str, Any], case: Case, mode: Mode) -> str:
    """Return what is wrong with a run: a false alarm, a program that failed, or no look-alike; empty if it passed."""
    if row["alarms"]:
        return f"{CALLED_HUNG}: {row['alarms'][0]}"
    if row["ended_by"] == "hangprobe":
        return f"{CALLED_HUNG}: ended by hangprobe with verdict {row['verdict']}"
    if (row["verdict"], row["ended_by"]) != ("ok", "itself"):
        return f"verdict {row['verdict']}, exit status {row['exit_status']}, ended by {row['ended_by']}"
    if row["exit_status"] != 0:
        return f"exit status {row['exit_status']}"
    if mode is Mode.EVERY_SAMPLE and row["collects_in_look_alike"] < COLLECTS_WANTED:
        return f"{TOO_FEW}: {row['collects_in_look_alike']} double collects in its look-alike state"
    if mode is Mode.EVERY_SAMPLE and not case.is_shown(row["wchans"]):
        return f"no thread was seen in {case.shows}, only in {', '.join(row['wchans'])}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
