"""One job of a soak, in a process of its own: run it under watch and leave a row about it in its folder.

usage: python -m scripts.benchmarks.soak_job FOLDER   (which holds `case.json`; leaves `row.json`, `result.json` and
`record.jsonl` beside it)
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hangprobe.launch.flavours import find_mpiexec
from hangprobe.launch.session import Capture, LaunchSpec
from hangprobe.model import Tier, Verdict
from hangprobe.policy import Policy
from hangprobe.probe import Ends, OnHang, OnStall, Outcome, Silent, probe
from hangprobe.programs import load
from hangprobe.record import encode
from hangprobe.result import Finding, Result
from hangprobe.watched import Watched
from scripts.benchmarks.jobs import Subject
from scripts.benchmarks.soak_cases import Case

RANKS = 4
ENDS = Ends(OnHang.KILL, OnStall.REPORT, grace_s=0.0, timeout_s=300.0)
"""A false alarm shall do the worst it can: the job is ended at once."""


class Witness(Silent):
    """Remembers what a result may not tell: a verdict that passed, and why a job was ended."""

    def __init__(self) -> None:
        self.has_hung = False
        self.reason: str | None = None

    def changed(self, watched: Watched) -> None:
        """Note a hang."""
        self.has_hung |= watched.verdict is Verdict.HANG

    def ending(self, reason: str) -> None:
        """Note the reason."""
        self.reason = reason


def policy(is_always: bool) -> Policy:
    """Return the policy of accuracy tests, which judges every sample, or that of production."""
    return Policy(interval_s=0.1, collect_always=True) if is_always else Policy()


def run(case: Case, is_always: bool, folder: Path, witness: Witness) -> Outcome:
    """Run a case in an empty folder below `folder`, its output and record in `folder`."""
    if case.kind == "control":
        name, _, variant = case.name.partition(":")
        program = load()[name]
        subject = Subject(program, program.variant(variant), is_neutral=False)
        return subject.run(find_mpiexec(), RANKS, folder, policy(is_always), ENDS, witness)
    place = folder / "work"
    place.mkdir()
    spec = LaunchSpec(
        case.command,
        tag=f"soak-{os.getpid()}-{folder.name}",
        environment={"TMPDIR": str(place)},
        cwd=place,
        capture=Capture(folder / "out", folder / "err"),
    )
    return probe(spec, ENDS, policy(is_always), witness, folder / "record.jsonl")


def row(case: Case, is_always: bool, result: Result, witness: Witness) -> dict[str, Any]:
    """Return what is kept of a job."""
    suspect = [finding for finding in result.findings if is_alarming(finding)]
    was_ended_for_hang = witness.reason is not None and "hang" in witness.reason
    return {
        "kind": case.kind,
        "name": case.name,
        "always": is_always,
        "started_at": result.started_at,
        "ended_at": datetime.now(UTC).isoformat(),
        "duration_s": round(result.duration_s, 3),
        "verdict": result.verdict,
        "exit_status": result.exit_status,
        "ended_by": result.ended_by,
        "reason": witness.reason,
        "samples": result.watched.samples,
        "double_collects": result.watched.double_collects,
        "findings": [[found.mechanism, found.tier, found.recovered] for found in result.findings],
        "alarm": bool(suspect or witness.has_hung or was_ended_for_hang or result.verdict is Verdict.HANG),
    }


def is_alarming(finding: Finding) -> bool:
    """Tell whether a finding says that a healthy program hangs; a helper that waits for ever may be reported."""
    return finding.tier in {Tier.PROVEN, Tier.LEAK} and finding.mechanism != "dead-helper"


def main(folder: Path) -> int:
    """Run the job of a folder; 130 if the user ended it."""
    asked = json.loads((folder / "case.json").read_text())
    case = Case(asked["kind"], asked["name"], tuple(asked["command"]))
    witness = Witness()
    outcome = run(case, asked["always"], folder, witness)
    if outcome.by_signal is not None:
        return 130
    (folder / "result.json").write_bytes(encode(outcome.result))
    found = row(case, asked["always"], outcome.result, witness) | {"left": list(outcome.ended.left)}
    (folder / "row.json").write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
