"""`scripts/bench harness`: what a trial under hangprobe costs of an ensemble's throughput.

1,002 tasks that do nothing on 3 nodes of a testbed (6 workers), under MpiExecLauncher with MPICH: once as Parsl runs
them with that configuration, once as a trial (words before the managers, an observer on every node, marks of every
task, events of the driver, the watch), in pairs of random order. The ratio is that of the two throughputs of a pair,
from the first submission to the last result. The aim: at least 0.98.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import geometric_mean

import msgspec

from hangprobe.ensemble.records import Settings, Trial
from hangprobe.launch.environments import of_mpi
from hangprobe.stats.ratios import ratio_in_blocks
from hangprobe.testbed.layout import LOGIN
from scripts.benchmarks.bed import Bed, up
from scripts.benchmarks.machine import section
from scripts.benchmarks.trials import Bench, Row

NODES, WORKERS, TASKS = 3, 2, 167
AIM = 0.98
LIMIT_S = 180.0
HERE = Path(__file__).parent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--pairs", type=int, default=30, help="of one bare and one watched ensemble (default 30)")
    parser.add_argument("--seed", type=int, default=1, help="of the order (default 1)")
    parser.add_argument("--out", type=Path, default=Path("results/local/harness"), help="folder; pairs in it are kept")


def main(options: argparse.Namespace) -> int:
    """Run the pairs that are missing, print a page, and return 0 if the aim is reached."""
    bench = Bench(options.out)
    order = random.Random(options.seed)
    firsts = [order.choice((False, True)) for _ in range(options.pairs)]
    todo = range(len(bench.rows), options.pairs)
    bench.begin(len(todo))
    with up(NODES, "harness") as (bed, folder):
        for number in todo:
            kinds = (firsts[number], not firsts[number])
            rates = {is_watched: throughput(bed, folder / str(number), is_watched) for is_watched in kinds}
            ratio = rates[True] / rates[False]
            row = {"pair": number, "watched_first": firsts[number], "bare": rates[False], "watched": rates[True]}
            bench.add({**row, "ratio": ratio, "right": True}, f"{rates[False]:.0f} tasks/s bare, ratio {ratio:.3f}")
    text, is_reached = page(bench.rows, options)
    bench.finish(text)
    return 0 if is_reached else 1


def throughput(bed: Bed, folder: Path, is_watched: bool) -> float:
    """Run one ensemble and return its tasks a second."""
    folder = folder / ("watched" if is_watched else "bare")
    folder.mkdir(parents=True)
    rate = _watched(bed, folder) if is_watched else _bare(bed, folder)
    bed.leftovers()
    shutil.rmtree(folder)
    return rate


def _watched(bed: Bed, folder: Path) -> float:
    settings = Settings(nodes=NODES, workers_per_node=WORKERS, tasks_per_worker=TASKS)
    (folder / "settings").write_bytes(msgspec.json.encode(settings))
    (folder / "trial").mkdir()
    said = _run(bed, "harness_watched.py", folder / "trial", folder / "settings")
    trial = msgspec.json.decode(said, type=Trial)
    if trial.throughput is None:
        raise RuntimeError(f"{trial.outcome}: {trial.why}")
    return trial.throughput


def _bare(bed: Bed, folder: Path) -> float:
    (folder / "nodes").write_text("".join(f"{node}\n" for node in bed.testbed.nodes))
    specification = {
        "folder": str(folder),
        "nodes": bed.testbed.nodes,
        "node_file": str(folder / "nodes"),
        "workers_per_node": WORKERS,
        "tasks_per_worker": TASKS,
        "launcher": "mpiexec",
        "mpi": "path",
    }
    (folder / "spec.json").write_text(json.dumps(specification))
    return NODES * WORKERS * TASKS / float(_run(bed, "harness_bare.py", folder / "spec.json"))


def _run(bed: Bed, script: str, *words: Path) -> bytes:
    """Run a script on the login node, with MPICH's mpiexec first on PATH; return what it prints."""
    path = Path(of_mpi("mpich").flavour.path).parent
    setting = ("env", f"PYTHONPATH={Path.cwd()}", "sh", "-c", 'PATH="$0:$PATH" exec "$@"', str(path))
    command = [*setting, sys.executable, str(HERE / script), *map(str, words)]
    done = subprocess.run(
        bed.testbed.command(LOGIN, command),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{script}: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout.splitlines()[-1]


def page(rows: list[Row], options: argparse.Namespace) -> tuple[str, bool]:
    """Return the page, and whether the aim is reached."""
    watched, bare = ({row["pair"]: row[kind] for row in rows} for kind in ("watched", "bare"))
    found = ratio_in_blocks(watched, bare)
    is_reached = found.estimate is not None and found.estimate >= AIM
    interval = f"[{found.low:.3f}, {found.high:.3f}]" if found.low is not None and found.high is not None else found.why
    ratios = sorted(row["ratio"] for row in rows)
    tasks = f"{NODES * WORKERS * TASKS:,} tasks that do nothing, {NODES} nodes x {WORKERS} workers"
    return "\n".join(
        [
            "# What a trial costs of an ensemble's throughput",
            "",
            f"`scripts/bench harness --pairs {options.pairs}`: {tasks}, MpiExecLauncher, MPICH.",
            "",
            "| throughput | |",
            "|---|---|",
            f"| under hangprobe / bare | **{found.estimate or math.nan:.3f}** {interval} |",
            f"| single pairs | {ratios[0]:.2f} to {ratios[-1]:.2f} |",
            f"| bare | {geometric_mean(bare.values()):.0f} tasks a second |",
            f"| under hangprobe | {geometric_mean(watched.values()):.0f} tasks a second |",
            "",
            f"Geometric means of {len(rows)} pairs in random order, 95 % bootstrap interval. Aim: at least {AIM}.",
            "",
            *section(),
        ]
    ), is_reached
