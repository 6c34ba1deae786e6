"""`scripts/bench wrapper`: what the words before each rank cost a job that ends by itself.

A job of 6 ranks under MPICH does a fixed number of allreduces, some 2 s of them, with the wrapper and without, in pairs
of random order. Between two of them ranks rest for some milliseconds: 6 that poll on 2 processors would measure the
scheduler. The head that the link file names is not there, so that everything on the ranks' side is paid for and nothing
else. Time is that of the whole mpiexec. The aim: at most 2 % or 0.1 s.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hangprobe.agent.link.linkfile import LinkFile
from hangprobe.agent.wrapping.words import prefix
from hangprobe.launch.environments import of_mpi
from hangprobe.launch.mpijob import MpiJob
from scripts.benchmarks.machine import describe, section

RANKS = 6
WANTED_S = 2.0
JOB = Path(__file__).with_name("wrapper_job.py")
AIM_S, AIM_SHARE = 0.1, 0.02
LIMIT_S = 120.0
KEY = "x" * 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--runs", type=int, default=20, help="of each kind (default 20)")
    parser.add_argument("--light", action="store_true", help="without the observer: it would start after an hour")
    parser.add_argument("--seed", type=int, default=1, help="of the order (default 1)")
    parser.add_argument("--out", type=Path, default=Path("results/local/wrapper"), help="folder for page and numbers")


def main(options: argparse.Namespace) -> int:
    """Measure, print a page, write it with the numbers, and return 0 if the aim is reached."""
    order = random.Random(options.seed)
    pairs: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="hangprobe-") as name:
        folder = Path(name)
        rounds = calibrate(folder)
        for number in range(options.runs):
            kinds = order.sample([False, True], 2)
            took = {is_wrapped: run(folder, rounds, is_wrapped, options.light) for is_wrapped in kinds}
            pairs.append((took[False], took[True]))
            print(f"[{number + 1}/{options.runs}] {took[False]:.3f} s, {took[True]:.3f} s wrapped", file=sys.stderr)
    text = page(pairs, rounds, options)
    options.out.mkdir(parents=True, exist_ok=True)
    document = {"rounds": rounds, "pairs": pairs, "machine": describe()}
    (options.out / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    (options.out / "README.md").write_text(text)
    print(text)
    return 0 if is_reached(pairs) else 1


def calibrate(folder: Path) -> int:
    """Return how many rounds take as long as wanted."""
    rounds = 100
    while (took_s := float(_mpiexec(folder, rounds, ()).stdout)) < WANTED_S / 4:
        rounds *= 2
    return max(1, round(rounds * WANTED_S / took_s))


def run(folder: Path, rounds: int, is_wrapped: bool, is_light: bool) -> float:
    """Run a job and return how long mpiexec took."""
    before: tuple[str, ...] = ()
    if is_wrapped:
        path = folder / "link"
        path.unlink(missing_ok=True)
        job = f"bench-{os.getpid()}-{time.monotonic_ns()}"
        head = (socket.gethostname(), 2**22 + 1, 1)  # no process has this pid: pid_max
        link = LinkFile(job, ("127.0.0.1:9",), KEY, KEY, KEY, *head, python=sys.executable)
        (replace(link, start_after_s=3600.0) if is_light else link).write(path)
        before = prefix(path)
    began_s = time.monotonic()
    _mpiexec(folder, rounds, before)
    took_s = time.monotonic() - began_s
    _end_observers(folder)
    return took_s


def _end_observers(folder: Path) -> None:
    """End observers that still look for the head: they would take part in the next run."""
    mark = os.fsencode(folder / "link")
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "cmdline").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def _mpiexec(folder: Path, rounds: int, before: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    environment = of_mpi("mpich")
    line = environment.flavour.command_line(MpiJob(RANKS, (*before, environment.python, str(JOB), str(rounds))))
    return subprocess.run(
        line.arguments,
        env={**os.environ, **line.unset(os.environ)},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )


def median_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Return an interval that holds the median with at least this probability: order statistics, no assumption."""
    ordered, count = sorted(values), len(values)
    tail, cut = 0.0, 0
    for below in range(count // 2):
        tail += math.comb(count, below) / 2**count
        if tail > (1 - level) / 2:
            break
        cut = below + 1
    if cut == 0:
        return -math.inf, math.inf
    return ordered[cut - 1], ordered[count - cut]


def is_reached(pairs: Sequence[tuple[float, float]]) -> bool:
    """Tell whether the median difference is within the aim."""
    extra_s = statistics.median(wrapped - bare for bare, wrapped in pairs)
    return extra_s <= max(AIM_S, AIM_SHARE * statistics.median(bare for bare, _ in pairs))


def page(pairs: Sequence[tuple[float, float]], rounds: int, options: argparse.Namespace) -> str:
    """Return the result as Markdown."""
    extra_s = [wrapped - bare for bare, wrapped in pairs]
    share = [100 * (wrapped / bare - 1) for bare, wrapped in pairs]
    low_s, high_s = median_interval(extra_s)
    low, high = median_interval(share)
    return "\n".join(
        [
            "# Cost of the wrapper",
            "",
            f"`scripts/bench wrapper --runs {options.runs}{' --light' if options.light else ''}`: {RANKS} ranks under",
            f"MPICH, {rounds} allreduces. Aim: at most {AIM_SHARE:.0%} or {AIM_S} s. Intervals: 95 %, exact.",
            "",
            "| | median | |",
            "|---|---|---|",
            f"| without, s | {statistics.median(bare for bare, _ in pairs):.3f} | |",
            f"| with, s | {statistics.median(wrapped for _, wrapped in pairs):.3f} | |",
            f"| difference, s | {statistics.median(extra_s):+.3f} | {low_s:+.3f} to {high_s:+.3f} |",
            f"| difference, % | {statistics.median(share):+.2f} | {low:+.2f} to {high:+.2f} |",
            f"| aim | {'reached' if is_reached(pairs) else 'missed'} | |",
            "",
            *section(),
        ]
    )
