"""The main job, tried for real: one known hang must be proven, and one look-alike must be cleared.

By the pipeline that `run` and `watch` use, on real processes. Must run in the main thread, after everything else that
`doctor` does: it makes this process a subreaper and raises its limit of open files.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hangprobe.doctor.checkup import Check, Said, Subject, missing, ok
from hangprobe.doctor.examine import PATIENCE_S, Told, check
from hangprobe.launch.session import Capture, LaunchSpec
from hangprobe.model import Tier, Verdict
from hangprobe.policy import Policy
from hangprobe.probe import Ends, Listener, OnHang, OnStall, Outcome, Silent, probe
from hangprobe.result import Result
from hangprobe.watched import Watched

PROGRAMS = Path(__file__).with_name("programs")
LIMIT_S = 10.0
"""For each program: the hang is proven in 0.5 s, the look-alike ends after 1.3 s; more is an overloaded machine."""
MECHANISM = "fork-orphaned-lock"
ENABLES = "the main job: telling hangs from what only looks like one"
REMEDY = "see the other lines; if all are well: hangprobe watch -- python PROGRAM, and report what it says"


def proves_a_hang(listener: Listener | None = None) -> Said:
    """Watch a program that hangs."""
    return judge_hang(_watch("held_lock.py", listener).result)


def clears_a_look_alike(listener: Listener | None = None) -> Said:
    """Watch a healthy program that looks hung, collected twice at every sample."""
    return judge_look_alike(_watch("parked_helper.py", listener).result)


def judge_hang(result: Result) -> Said:
    """Say whether the hang was proven."""
    found = {finding.mechanism for finding in result.findings if finding.tier is Tier.PROVEN}
    if (result.verdict, result.tier) == (Verdict.HANG, Tier.PROVEN) and MECHANISM in found:
        after = "" if result.detected_after_s is None else f" {result.detected_after_s:.2f} s after it had blocked"
        return ok(f"a child that waits for a lost lock: proven{after}")
    return missing(f"a known hang was called {_called(result)}", ENABLES, REMEDY)


def judge_look_alike(result: Result) -> Said:
    """Say whether the look-alike was left alone, after it had been looked at closely."""
    held = [finding for finding in result.findings if finding.tier is not Tier.BLOCKED]
    looks = result.watched.double_collects
    if result.verdict is Verdict.OK and not held and looks > 0:
        return ok(f"a parked helper beside a working parent: left alone in {looks} double collects")
    if result.verdict is Verdict.OK and not held:
        return missing("a look-alike ended before it was looked at", ENABLES, "try again on a quieter machine")
    return missing(f"a healthy program was called {_called(result)}", ENABLES, REMEDY)


def _called(result: Result) -> str:
    mechanisms = ", ".join(f"{finding.mechanism} ({finding.tier})" for finding in result.findings)
    unread = "; ".join(f"{each.what}: {each.why}" for each in result.unreadable[:2])
    words = [f"{result.verdict}" + (f" ({result.tier})" if result.tier else ""), mechanisms, unread]
    return ", ".join(filter(None, words))


def _watch(program: str, listener: Listener | None) -> Outcome:
    """Run one program under watch. Raises SystemExit if the user ends it, CommandNotStarted, GuardianLost."""
    with tempfile.TemporaryDirectory(prefix="hangprobe-doctor-") as folder:
        spec = LaunchSpec(
            (sys.executable, "-I", str(PROGRAMS / program)),
            tag=f"doctor-{os.getpid()}-{program}",
            capture=Capture(Path(folder) / "out", Path(folder) / "err"),
        )
        ends = Ends(OnHang.KILL, OnStall.REPORT, grace_s=0.0, timeout_s=LIMIT_S)
        outcome = probe(spec, ends, Policy(has_stacks=False, collect_always=True), listener)
    if outcome.by_signal is not None:
        raise SystemExit(128 + outcome.by_signal)
    return outcome


class _Waiting(Silent):
    """Tells the user that the self-test takes long, once."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._began_s: float | None = time.monotonic()

    def sampled(self, watched: Watched) -> None:
        """Tell of it after a while."""
        if self._began_s is not None and time.monotonic() - self._began_s > PATIENCE_S:
            self._told("waiting for the self-test ...")
            self._began_s = None


def self_test(told: Told) -> Iterator[Check]:
    """Yield what both halves say; an error is told as `unknown`."""
    listener = _Waiting(told)
    for half in (proves_a_hang, clears_a_look_alike):
        yield check(half, Subject.SELF_TEST, listener)
