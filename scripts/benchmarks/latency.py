"""`scripts/bench latency`: how long after the last thread blocked a proven hang is reported.

Measured against the programs' own marks, at the moment at which the report names every rank that hangs, stacks
included; the sampler starts at a random phase. A hang whose lock is still held by a sleeping thread of the parent
cannot be proven before that thread has gone: such programs are reported later, and are not left out.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path

from hangprobe.launch.flavours import find_mpiexec
from hangprobe.launch.session import Session
from hangprobe.model import RankState, Tier
from hangprobe.policy import Policy
from hangprobe.probe import Ends, OnHang, OnStall, Silent
from hangprobe.programs import load
from hangprobe.ranksets import fold
from hangprobe.watched import Watched
from scripts.benchmarks.jobs import Subject, marks
from scripts.benchmarks.machine import section

RANKS = 4
AFTER_THE_WINDOW = {("pool_executor", "default"), ("launcher_stdin", "thread")}
"""Proven by the rules of `judge.verdict` and `judge.beside` only when nothing has moved for the window."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--runs", type=int, default=10, help="of each program (default 10)")
    parser.add_argument("--only", default="", help="programs whose name contains this")
    parser.add_argument("--out", type=Path, default=Path("results/local/latency"), help="folder for the page")


class Stopwatch(Silent):
    """Notes when the report first names every rank that is expected to hang."""

    def __init__(self, expected: str) -> None:
        self.expected = expected
        self.at_s: float | None = None

    def changed(self, watched: Watched) -> None:
        """Note the time."""
        named = fold(rank.rank for rank in watched.digest.ranks if rank.state is RankState.PROVEN)
        if named == self.expected and self.at_s is None:
            self.at_s = time.monotonic()


def main(options: argparse.Namespace) -> int:
    """Measure, print a page, and return 0 if the median is within a second."""
    latencies: dict[str, list[float]] = {}
    missed = 0
    proven = [
        Subject(program, variant, is_neutral=False)
        for program in load().values()
        for variant in program.variants
        if variant.expected.tier is Tier.PROVEN and options.only in program.name
        if (program.name, variant.name) not in AFTER_THE_WINDOW
    ]
    for run in range(options.runs):
        for subject in random.sample(proven, len(proven)):
            latency_s = one(subject)
            missed += latency_s is None
            if latency_s is not None:
                latencies.setdefault(subject.name, []).append(latency_s)
            print(f"[{run + 1}/{options.runs}] {subject.name}: {latency_s}", file=sys.stderr, flush=True)
    text = page(latencies, missed)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "README.md").write_text(text)
    print(text)
    return 0 if statistics.median(list(chain.from_iterable(latencies.values()))) <= 1.0 else 1


def one(subject: Subject) -> float | None:
    """Return the seconds from the last thread's blocking to the report; None if it was never complete."""
    policy = Policy()
    phase_s = random.uniform(0, policy.interval_s)

    def wait(session: Session) -> None:
        time.sleep(phase_s)

    watch = Stopwatch(subject.variant.expected.ranks(RANKS))
    with tempfile.TemporaryDirectory(prefix="hangprobe-") as name:
        ends = Ends(OnHang.KILL, OnStall.KILL, 1.5, 60.0)
        subject.run(find_mpiexec(), RANKS, Path(name), policy, ends, watch, wait)
        found = marks(Path(name))
    hung = {rank for rank, rows in found.items() if "acquired" not in {word for *_, word in rows}}
    blocked = [at_s for rank in hung for at_s, _, word in found[rank] if word in {"blocking", "joining"}]
    return None if watch.at_s is None or not blocked else watch.at_s - max(blocked)


def page(latencies: dict[str, list[float]], missed: int) -> str:
    """Return medians and 95th percentiles as Markdown."""
    rows = ["| program | runs | median | p95 | worst |", "|---|---|---|---|---|"]
    for name, values in sorted(latencies.items()):
        rows.append(_row(name, values))
    rows.append(_row("**all**", list(chain.from_iterable(latencies.values()))))
    return "\n".join(
        [
            "# Latency",
            "",
            "`scripts/bench latency`: from the last thread's blocking (the program's own mark) to the report that",
            f"names every hung rank, stacks included. {RANKS} ranks, default interval, random phase, in seconds.",
            "",
            *rows,
            "",
            f"Runs in which the report never named every rank: {missed}.",
            "",
            *section(),
        ]
    )


def _row(name: str, values: list[float]) -> str:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return f"| {name} | {len(values)} | {statistics.median(values):.2f} | {p95:.2f} | {ordered[-1]:.2f} |"
