"""`scripts/bench observed`: hung jobs of 6 ranks on 3 nodes, run and watched by `hangprobe run --nodes 3`.

Each trial runs one reproducer on a testbed from its login node, with one of the three MPIs, and looks what is left on
the nodes. Right: verdict, tier, mechanism and hung ranks are the manifest's, each rank is on its own node, hangprobe
ended the job, and nothing of it is left anywhere.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from hangprobe.record import decode
from hangprobe.result import Result
from hangprobe.testbed.layout import LOGIN
from scripts.benchmarks import three_nodes
from scripts.benchmarks.bed import Bed, up
from scripts.benchmarks.machine import section, who
from scripts.benchmarks.three_nodes import NODES, RANKS, WINDOW_S, Trial
from scripts.benchmarks.trials import Bench, Row, median_and_worst, share

LIMIT_S = 90.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    three_nodes.add_arguments(parser, "results/local/observed")


def main(options: argparse.Namespace) -> int:
    """Run what is missing, print the table, and return 0 if every trial was right."""
    bench = Bench(options.out)
    trials = three_nodes.plan(options, bench.rows)
    with up(NODES, "observed") as (bed, folder):
        bench.begin(len(trials))
        for number, trial in enumerate(trials):
            bench.add(one(trial, bed, folder / str(number)), f"{trial.mpi} {trial.program}")
    return bench.finish(page(bench.rows))


def one(trial: Trial, bed: Bed, folder: Path) -> Row:
    """Run a trial and return its row."""
    result, status, said = _run(trial, bed, folder)
    row: Row = {**trial._asdict(), "status": status, "left": bed.leftovers()}
    if result is None:
        return {**row, "right": False, "said": said}
    row |= three_nodes.told(result) | {
        "detected_after_s": result.detected_after_s,
        "ended_by": result.ended_by,
        "duration_s": result.duration_s,
    }
    is_right = three_nodes.is_right(row, bed.testbed.nodes) and not row["left"] and row["ended_by"] == "hangprobe"
    return {**row, "right": is_right}


def _run(trial: Trial, bed: Bed, folder: Path) -> tuple[Result | None, int, str]:
    """Run a job as a user on the login node would."""
    size = ("--nodes", str(NODES), "--ranks", str(RANKS), "--mpi", trial.mpi)
    ends = ("--grace", "3", "--stall-after", f"{WINDOW_S:g}", "--timeout", "60")
    where = ("--out", str(folder), "--json", f"{folder}.json", "--quiet")
    done = subprocess.run(
        bed.testbed.command(LOGIN, [sys.executable, "-m", "hangprobe", "run", trial.program, *size, *ends, *where]),
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    document = Path(f"{folder}.json")
    result = decode(document.read_bytes()) if document.exists() and document.stat().st_size else None
    return result, done.returncode, done.stderr.decode(errors="replace")[-2000:]


def page(rows: list[Row]) -> str:
    """Return the table as Markdown."""
    table = ["| MPI | program | right | hung ranks | tier | detected after, s | job, s |", "|---" * 7 + "|"]
    for mpi, program, mine in three_nodes.cells(rows):
        ended = [row for row in mine if "hung" in row]
        hung, tiers = three_nodes.every(ended, "hung"), three_nodes.every(ended, "tier")
        late = median_and_worst([row["detected_after_s"] for row in ended if row["detected_after_s"] is not None])
        took = median_and_worst([row["duration_s"] for row in ended])
        table.append(f"| {mpi} | {program} | {share(mine)} | {hung} | {tiers} | {late} | {took} |")
    return "\n".join(
        [
            f"# Jobs on several nodes while they run, as {who()}",
            "",
            f"`scripts/bench observed`: {share(rows)} jobs right.",
            f"`hangprobe run --nodes {NODES} --ranks {RANKS} --stall-after {WINDOW_S:g}` on a testbed's login node.",
            "Right: verdict, tier, mechanism, ranks and their hosts, ended by hangprobe, no process left on any node.",
            "Times are median and worst.",
            "",
            *table,
            "",
            *section(),
        ]
    )
