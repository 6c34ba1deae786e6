"""`scripts/bench observed`: hung jobs of 6 ranks on 3 nodes, run and watched by `hangprobe run --nodes 3`.

Each trial runs one reproducer on a testbed from its login node, with one of the three MPIs, and looks what is left on
the nodes. Right: verdict, tier, mechanism and hung ranks are the manifest's, each rank is on its own node, hangprobe
ended the job, and nothing of it is left anywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hangprobe.launch.environments import MPIS
from hangprobe.programs import load
from hangprobe.ranksets import fold, unfold
from hangprobe.record import decode
from hangprobe.result import Result
from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.layout import LOGIN
from scripts.benchmarks.bed import Bed
from scripts.benchmarks.machine import as_table, describe

PROGRAMS = ("bcast_under_lock", "file_lock", "launcher_stdin")
NODES, PER_NODE = 3, 2
RANKS = NODES * PER_NODE
WINDOW_S = 3.0
LIMIT_S = 90.0

Trial = tuple[str, str, int]
"""MPI, program, and which run of it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--runs", type=int, default=10, help="of each cell (default 10)")
    parser.add_argument("--mpi", default=",".join(MPIS), help="which (default all three; scripts/envs makes them)")
    parser.add_argument("--only", default="", help="programs whose name contains this")
    parser.add_argument("--out", type=Path, default=Path("results/local/observed"), help="folder; runs in it are kept")


def main(options: argparse.Namespace) -> int:
    """Run what is missing, print the table, and return 0 if every trial was right."""
    options.out.mkdir(parents=True, exist_ok=True)
    path: Path = options.out / "runs.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(row["mpi"], row["program"], row["run"]) for row in rows}
    trials = [trial for trial in plan(options.mpi.split(","), options.only, options.runs) if trial not in done]
    print(f"{len(rows)} trials are on file, {len(trials)} to do", file=sys.stderr)
    began_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="hangprobe-observed-") as name,
        Testbed.up(NODES, name=f"bench-{os.getpid()}", shares=(Path(name), Path.cwd())) as testbed,
    ):
        bed = Bed.of(testbed)
        for number, trial in enumerate(trials, 1):
            row = one(trial, bed, Path(name) / str(number))
            rows.append(row)
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")
            left_s = (time.monotonic() - began_s) / number * (len(trials) - number)
            word = "right" if row["right"] else f"WRONG: {row}"
            shown = f"[{number}/{len(trials)}, {left_s / 60:.0f} min left] {trial[0]} {trial[1]}: {word}"
            print(shown, file=sys.stderr, flush=True)
    text = page(rows)
    (options.out / "README.md").write_text(text)
    print(text)
    return 0 if all(row["right"] for row in rows) else 1


def plan(mpis: Sequence[str], only: str, runs: int) -> Iterator[Trial]:
    """Yield every trial, all cells once before any a second time."""
    for run in range(1, runs + 1):
        for name in PROGRAMS:
            if only in name:
                yield from ((mpi, name, run) for mpi in mpis)


def one(trial: Trial, bed: Bed, folder: Path) -> dict[str, Any]:
    """Run a trial and return its row."""
    mpi, name, run = trial
    result, status, said = _run(trial, bed, folder)
    left = bed.leftovers()
    expected = load()[name].variants[0].under(MPIS[mpi])
    row: dict[str, Any] = {"mpi": mpi, "program": name, "run": run, "status": status, "left": left}
    if result is None:
        return {**row, "right": False, "said": said}
    held = [f for f in result.findings if f.tier is result.tier and not f.recovered and f.mechanism != "dead-helper"]
    hosts = {rank.rank: rank.host for rank in result.ranks}
    row |= {
        "verdict": result.verdict,
        "tier": result.tier,
        "mechanisms": sorted({finding.mechanism for finding in held}),
        "hung": fold(rank for finding in held for rank in unfold(finding.ranks)),
        "hosts": [hosts.get(rank) for rank in range(RANKS)],
        "states": [f"{rank.rank}: {rank.state}, {rank.why}" for rank in result.ranks],
        "unreadable": [f"{each.what}: {each.why}" for each in result.unreadable],
        "detected_after_s": result.detected_after_s,
        "ended_by": result.ended_by,
        "duration_s": result.duration_s,
    }
    right = (
        row["verdict"] == expected.verdict
        and row["tier"] == expected.tier
        and row["mechanisms"] == [expected.mechanism]
        and row["hung"] == expected.ranks(RANKS, PER_NODE)
        and row["hosts"] == [bed.testbed.nodes[rank // PER_NODE] for rank in range(RANKS)]
        and not left
        and row["ended_by"] == "hangprobe"
    )
    return {**row, "right": bool(right)}


def _run(trial: Trial, bed: Bed, folder: Path) -> tuple[Result | None, int, str]:
    """Run a job as a user on the login node would."""
    mpi, name, _ = trial
    size = ("--nodes", str(NODES), "--ranks", str(RANKS), "--mpi", mpi)
    ends = ("--grace", "3", "--stall-after", f"{WINDOW_S:g}", "--timeout", "60")
    where = ("--out", str(folder), "--json", f"{folder}.json", "--quiet")
    done = subprocess.run(
        bed.testbed.command(LOGIN, [sys.executable, "-m", "hangprobe", "run", name, *size, *ends, *where]),
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    document = Path(f"{folder}.json")
    result = decode(document.read_bytes()) if document.exists() and document.stat().st_size else None
    return result, done.returncode, done.stderr.decode(errors="replace")[-2000:]


def page(rows: list[dict[str, Any]]) -> str:
    """Return the table as Markdown."""
    right = sum(row["right"] for row in rows)
    table = ["| MPI | program | right | hung ranks | tier | detected after, s | job, s |", "|---" * 7 + "|"]
    for key in dict.fromkeys((row["mpi"], row["program"]) for row in rows):
        mine = [row for row in rows if (row["mpi"], row["program"]) == key and "hung" in row]
        share = f"{sum(row['right'] for row in mine)} of {sum((r['mpi'], r['program']) == key for r in rows)}"
        hung = ", ".join(sorted({row["hung"] for row in mine}))
        tiers = ", ".join(sorted({str(row["tier"]) for row in mine}))
        detected = _spread([row["detected_after_s"] for row in mine if row["detected_after_s"] is not None])
        took = _spread([row["duration_s"] for row in mine])
        table.append(f"| {key[0]} | {key[1]} | {share} | {hung} | {tiers} | {detected} | {took} |")
    who = "root" if os.geteuid() == 0 else f"uid {os.geteuid()}"
    return "\n".join(
        [
            f"# Jobs on several nodes while they run, as {who}",
            "",
            f"`scripts/bench observed`: {right} of {len(rows)} jobs right.",
            f"`hangprobe run --nodes {NODES} --ranks {RANKS} --stall-after {WINDOW_S:g}` on a testbed's login node.",
            "Right: verdict, tier, mechanism, ranks and their hosts, ended by hangprobe, no process left on any node.",
            "Times are median and worst.",
            "",
            *table,
            "",
            "## Machine",
            "",
            as_table(describe()),
            "",
        ]
    )


def _spread(values: list[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:.2f}, {ordered[-1]:.2f}" if ordered else "-"
