"""`scripts/bench sweep`: a hang that nobody watched, found 30 s later by attach, alone and among everything else.

Each trial starts bcast_under_lock under a plain mpiexec, waits until its ranks have blocked and `--wait` seconds more,
and looks at that mpiexec (`attach PID`), then at every process that this user may look at (`attach --all`). Right: the
job is a proven hang of ranks 1 to 3, the time since when each waits is that of its own marks to within 0.5 s, and
nothing else on the machine is called a hang: whatever runs here anyway, and the programs of `sweep_companions`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from hangprobe.attach.sweep import Sweep, Wanted
from hangprobe.launch.environments import of_launcher
from hangprobe.launch.mpijob import MpiJob
from hangprobe.model import Verdict
from hangprobe.policy import Policy
from hangprobe.programs import load
from hangprobe.result import Result
from scripts.benchmarks.jobs import marks
from scripts.benchmarks.machine import section, who
from scripts.benchmarks.sweep_companions import companions, end
from scripts.benchmarks.trials import Bench, Row, share

RANKS = 4
PATIENCE_S = 3.0
ERROR_S = 0.5
START_LIMIT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--runs", type=int, default=10, help="trials (default 10)")
    parser.add_argument("--wait", type=float, default=30.0, help="seconds from the hang to the look (default 30)")
    parser.add_argument("--out", type=Path, default=Path("results/local/sweep"), help="folder; runs in it are kept")


def main(options: argparse.Namespace) -> int:
    """Run what is missing, print the page, and return 0 if every trial was right."""
    bench = Bench(options.out)
    runs = range(len(bench.rows) + 1, options.runs + 1)
    with companions() as count:
        print(f"{count} healthy programs are there as well", file=sys.stderr)
        bench.begin(len(runs))
        for run in runs:
            bench.add({"run": run, "companions": count, **one(options.wait)}, "bcast_under_lock")
    return bench.finish(page(bench.rows, options.wait))


def one(wait_s: float) -> Row:
    """Plant a hang, look at it, and return the row."""
    with tempfile.TemporaryDirectory(prefix="hangprobe-sweep-") as name:
        folder = Path(name)
        environment = of_launcher()
        command = (environment.python, str(load()["bcast_under_lock"].path))
        line = environment.flavour.command_line(MpiJob(RANKS, command, output=folder))
        pid = _start(line.arguments, {**line.unset(os.environ), "HANGPROBE_MARKS": str(folder)})
        try:
            _await_hang(folder)
            time.sleep(wait_s)
            alone, errors = _look_alone(pid, folder)
            everything, took_s = _look_at_everything()
        finally:
            end(pid)
    counts = Counter(result.verdict.value for result in everything)
    others = [" ".join(each.command)[:200] for each in everything if each.verdict is Verdict.HANG and not _is_it(each)]
    is_found = _is_it(alone) and any(map(_is_it, everything))
    return {
        "found": is_found,
        "ranks": [f"{rank.rank}: {rank.state}, {rank.why}" for rank in alone.ranks],
        "since_error_s": max(errors, key=abs),
        "trees": len(everything),
        "other_hangs": others,
        "unknown": counts["unknown"],
        "unknown_why": sorted(
            {rank.why or "" for each in everything for rank in each.ranks if rank.state == "unknown"}
        ),
        "verdicts": dict(counts),
        "sweep_s": round(took_s, 3),
        "right": is_found and not others and max(map(abs, errors)) <= ERROR_S,
    }


def _start(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Start a job as nobody's child, for a sweep leaves out what hangprobe itself has started; return its pid."""
    script = '"$@" </dev/null >/dev/null 2>&1 & echo $!'
    done = subprocess.run(
        ("setsid", "sh", "-c", script, "sh", *command),
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
    )
    return int(done.stdout)


def _await_hang(folder: Path) -> None:
    """Wait until the ranks above 0 have a child that waits for the lock, and rank 0 is done."""
    until_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until_s:
        words = {rank: {row[2] for row in rows} for rank, rows in marks(folder).items()}
        if all({"joining", "blocking"} <= words.get(rank, set()) for rank in range(1, RANKS)) and "done" in words[0]:
            return
        time.sleep(0.05)
    raise TimeoutError("the job did not begin to hang")


def _look_alone(pid: int, folder: Path) -> tuple[Result, list[float]]:
    """Look at one mpiexec; return the document, and by how much each hung rank's time is off."""
    sweep = Sweep(Wanted((pid,)), Policy())
    sweep.look()
    sweep.settle(PATIENCE_S)
    attachment = next(iter(sweep.attachments.values()))
    result = next(iter(sweep.results()))
    clock_s = attachment.double.second.clock_s if attachment.double is not None else None
    joined = {rank: max(row[0] for row in rows if row[2] == "joining") for rank, rows in marks(folder).items() if rank}
    errors = [
        round(clock_s - rank.since_s - joined[rank.rank], 3)
        for rank in result.ranks
        if rank.rank in joined and rank.since_s is not None and clock_s is not None
    ]
    return result, errors or [float("inf")]


def _look_at_everything() -> tuple[list[Result], float]:
    began_s = time.monotonic()
    sweep = Sweep(Wanted(), Policy())
    sweep.look()
    sweep.settle(PATIENCE_S)
    return list(sweep.results()), time.monotonic() - began_s


def _is_it(result: Result) -> bool:
    hung = [rank.rank for rank in result.ranks if rank.state == "proven"]
    return result.verdict is Verdict.HANG and "bcast_under_lock" in " ".join(result.command) and hung == [1, 2, 3]


def page(rows: list[Row], wait_s: float) -> str:
    """Return the rows as Markdown."""
    trees, unknown = sum(row["trees"] for row in rows), sum(row["unknown"] for row in rows)
    worst = max((abs(row["since_error_s"]) for row in rows), default=0.0)
    times = sorted(row["sweep_s"] for row in rows)
    reasons = Counter(why for row in rows for why in row["unknown_why"])
    return "\n".join(
        [
            f"# A hang among everything else, as {who()}",
            "",
            f"`scripts/bench sweep`: {share(rows)} trials right. The job was planted {wait_s:g} s before.",
            "",
            "| | |",
            "|---|---|",
            f"| the job found, by PID and by --all | {sum(row['found'] for row in rows)} of {len(rows)} |",
            f"| since when: largest error | {worst:.3f} s |",
            f"| anything else called a hang | {sum(len(row['other_hangs']) for row in rows)} |",
            f"| jobs and programs looked at | {trees}, {rows[-1]['companions']} healthy ones of this bench each time |",
            f"| of these unknown | {unknown} ({100 * unknown / max(1, trees):.1f} %) |",
            f"| a sweep takes, median and worst | {times[len(times) // 2]:.2f} s, {times[-1]:.2f} s |",
            "",
            *(f"- unknown, in {count} trials: {why}" for why, count in reasons.most_common(5)),
            "",
            *section(),
        ]
    )
