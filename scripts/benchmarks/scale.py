"""`scripts/bench scale`: what the head does with the digests of a very large job, on one core.

The digests of all nodes are made up (`scale_nodes`) and written to a file as they come over the wire. A process of its
own then decodes and merges them, concludes, writes the document and makes the text report. Times are of the processor;
memory is the most that the process ever had (`ru_maxrss`), the interpreter and the messages that wait included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from scripts.benchmarks.cost_prices import Spread
from scripts.benchmarks.machine import describe, section
from scripts.benchmarks.scale_nodes import KINDS, Job
from scripts.benchmarks.scale_one import STAGES

DECADES = (1_000, 10_000, 100_000)
GROWTH = ("1 % hung", "block")
"""Kind and placement of which smaller jobs are measured too."""
PLACEMENTS = ("block", "cyclic")
AIM_S, AIM_BYTES = 3.0, 2e9
LIMIT_S = 300.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--ranks", type=int, default=1_000_000, help="of the largest job (default 1000000)")
    parser.add_argument("--nodes", type=int, default=16_384, help="of the largest job (default 16384)")
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement (default 3)")
    parser.add_argument("--seed", type=int, default=1, help="of what the nodes tell (default 1)")
    parser.add_argument("--out", type=Path, default=Path("results/local/scale"), help="folder for page and numbers")


def main(options: argparse.Namespace) -> int:
    """Measure, write the page with the numbers, and return 0."""
    per_node = max(1, options.ranks // options.nodes)
    sizes = [(ranks, max(1, ranks // per_node)) for ranks in DECADES if ranks < options.ranks]
    jobs = [Job(*GROWTH, ranks, nodes, options.seed) for ranks, nodes in sizes]
    jobs += [Job(kind, where, options.ranks, options.nodes, options.seed) for kind in KINDS for where in PLACEMENTS]
    rows = []
    for job in jobs:
        print(f"{job.kind}, {job.placement}: {job.ranks} ranks on {job.nodes} nodes", file=sys.stderr, flush=True)
        rows.append(
            {"kind": job.kind, "placement": job.placement, "size": job.ranks, "runs": runs(job, options.repeats)}
        )
    text = page(options, rows)
    options.out.mkdir(parents=True, exist_ok=True)
    document = {"seed": options.seed, "machine": describe(), "measured": rows}
    (options.out / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    (options.out / "README.md").write_text(text)
    print(text)
    return 0


def runs(job: Job, repeats: int) -> list[dict[str, Any]]:
    """Return what some runs over the same digests have measured."""
    with tempfile.TemporaryDirectory(prefix="hangprobe-scale-") as folder:
        path = Path(folder) / "digests"
        job.write(path)
        command = [sys.executable, "-m", "scripts.benchmarks.scale_one", str(path)]
        done = (subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=LIMIT_S) for _ in range(repeats))
        return [json.loads(each.stdout) for each in done]


def page(options: argparse.Namespace, rows: list[dict[str, Any]]) -> str:
    """Return all numbers as Markdown."""
    command = f"scripts/bench scale --ranks {options.ranks} --nodes {options.nodes} --repeats {options.repeats}"
    grown = [row for row in rows if (row["kind"], row["placement"]) == GROWTH]
    largest = [row for row in rows if row["size"] == options.ranks]
    return "\n".join(
        [
            "# Scale",
            "",
            f"`{command} --seed {options.seed}`:",
            "digests of all nodes -> decode -> merge -> conclude -> `result.json` -> text report, in one process on",
            "one core. Seconds of CPU, median (least to greatest). `lines`: of the text report.",
            "",
            f"## As the job grows ({GROWTH[0]} in three ways, placed by {GROWTH[1]})",
            "",
            "| ranks | nodes | all, s | us a rank | memory, MB | on the wire, MB | document, MB | lines |",
            "|---|---|---|---|---|---|---|---|",
            *(_growth_row(row) for row in grown),
            "",
            f"## {options.ranks} ranks on {options.nodes} nodes",
            "",
            f"| job | placed | verdict | {', s | '.join(STAGES)}, s | all, s | memory, MB | lines |",
            "|---|---|---|" + "---|" * (len(STAGES) + 3),
            *(_stage_row(row) for row in largest),
            "",
            f"Aims: less than {AIM_S:g} s and {AIM_BYTES / 1e6:g} MB; a report of at most two screens.",
            "",
            *section(),
        ]
    )


def _growth_row(row: dict[str, Any]) -> str:
    run, seconds = row["runs"][0], _all_s(row)
    sizes = [f"{run[name] / 1e6:.3g}" for name in ("wire_bytes", "document_bytes")]
    per_rank = f"{1e6 * seconds.median / row['size']:.2f}"
    cells = (str(row["size"]), str(run["nodes"]), seconds.text(), per_rank, _memory(row), *sizes, str(run["lines"]))
    return f"| {' | '.join(cells)} |"


def _stage_row(row: dict[str, Any]) -> str:
    run = row["runs"][0]
    stages = (f"{median(each['cpu_s'][stage] for each in row['runs']):.2f}" for stage in STAGES)
    cells = (
        row["kind"],
        row["placement"],
        run["verdict"],
        *stages,
        _all_s(row).text(),
        _memory(row),
        str(run["lines"]),
    )
    return f"| {' | '.join(cells)} |"


def _all_s(row: dict[str, Any]) -> Spread:
    return Spread(tuple(sum(run["cpu_s"].values()) for run in row["runs"]))


def _memory(row: dict[str, Any]) -> str:
    return f"{max(run['rss_bytes'] for run in row['runs']) / 1e6:.0f}"
