"""`scripts/bench nodes`: hung jobs of 6 ranks on 3 nodes, started over ssh and watched by nobody, found by attach.

Each trial makes a testbed, starts a job on it from the login node with one of the three MPIs, waits until nothing in it
has moved for a while, looks at it once with `hangprobe attach --hosts`, takes the testbed down, and sees whether
anything is left. Right: verdict, tier, mechanism and hung ranks are the manifest's, and each rank is on its own node.
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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hangprobe.launch.environments import MPIS, of_mpi
from hangprobe.launch.mpijob import MpiJob
from hangprobe.programs import ProgramFile, Variant, load
from hangprobe.ranksets import fold, unfold
from hangprobe.record import decode
from hangprobe.result import Result
from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.layout import LOGIN
from scripts.benchmarks.jobs import marks
from scripts.benchmarks.machine import as_table, describe

PROGRAMS = ("bcast_under_lock", "file_lock", "launcher_stdin")
NODES, PER_NODE = 3, 2
RANKS = NODES * PER_NODE
WINDOW_S = 3.0
QUIET_S = 1.0
"""After the last mark of a job that starts to hang, before it is looked at; the window comes on top."""
START_LIMIT_S = 60.0
ATTACH_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One job to look at."""

    mpi: str
    program: ProgramFile
    variant: Variant
    run: int

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes it the same as one on file."""
        return self.mpi, self.program.name, self.run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--runs", type=int, default=10, help="of each cell (default 10)")
    parser.add_argument("--mpi", default=",".join(MPIS), help="which (default all three; scripts/envs makes them)")
    parser.add_argument("--only", default="", help="programs whose name contains this")
    parser.add_argument("--out", type=Path, default=Path("results/local/nodes"), help="folder; runs in it are kept")


def main(options: argparse.Namespace) -> int:
    """Run what is missing, print the table, and return 0 if every trial was right."""
    options.out.mkdir(parents=True, exist_ok=True)
    path: Path = options.out / "runs.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(row["mpi"], row["program"], row["run"]) for row in rows}
    trials = [each for each in plan(options.mpi.split(","), options.only, options.runs) if each.key not in done]
    print(f"{len(rows)} trials are on file, {len(trials)} to do", file=sys.stderr)
    began_s = time.monotonic()
    for number, trial in enumerate(trials, 1):
        row = one(trial)
        rows.append(row)
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        left_s = (time.monotonic() - began_s) / number * (len(trials) - number)
        word = "right" if row["right"] else f"WRONG: {row}"
        shown = f"[{number}/{len(trials)}, {left_s / 60:.0f} min left] {trial.mpi} {trial.program.name}: {word}"
        print(shown, file=sys.stderr, flush=True)
    text = page(rows)
    (options.out / "README.md").write_text(text)
    print(text)
    return 0 if all(row["right"] for row in rows) else 1


def plan(mpis: Sequence[str], only: str, runs: int) -> Iterator[Trial]:
    """Yield every trial, all cells once before any a second time."""
    programs = load()
    for run in range(1, runs + 1):
        for name in PROGRAMS:
            if only in name:
                yield from (Trial(mpi, programs[name], programs[name].variants[0], run) for mpi in mpis)


def one(trial: Trial) -> dict[str, Any]:
    """Run a trial and return its row."""
    with tempfile.TemporaryDirectory(prefix="hangprobe-nodes-") as name:
        folder = Path(name)
        bed = Testbed.up(NODES, name=f"bench-{os.getpid()}", shares=(folder, Path.cwd()))
        try:
            with _job(trial, bed, folder):
                _await_stillness(folder)
                result, took_s = _attach(bed, folder)
        finally:
            bed.down()  # raises if anything of it is left
    expected = trial.variant.under(MPIS[trial.mpi])
    held = [f for f in result.findings if f.tier is result.tier and not f.recovered and f.mechanism != "dead-helper"]
    hosts = {rank.rank: rank.host for rank in result.ranks}
    row = {
        "mpi": trial.mpi,
        "program": trial.program.name,
        "run": trial.run,
        "verdict": result.verdict,
        "tier": result.tier,
        "mechanisms": sorted({finding.mechanism for finding in held}),
        "hung": fold(rank for finding in held for rank in unfold(finding.ranks)),
        "hosts": [hosts.get(rank) for rank in range(RANKS)],
        "states": [f"{rank.rank}: {rank.state}, {rank.why}" for rank in result.ranks],
        "unreadable": [f"{each.what}: {each.why}" for each in result.unreadable],
        "attach_s": round(took_s, 3),
    }
    right = (
        row["verdict"] == expected.verdict
        and row["tier"] == expected.tier
        and row["mechanisms"] == [expected.mechanism]
        and row["hung"] == expected.ranks(RANKS, PER_NODE)
        and row["hosts"] == [bed.nodes[rank // PER_NODE] for rank in range(RANKS)]
    )
    return {**row, "right": bool(right)}


@contextmanager
def _job(trial: Trial, bed: Testbed, folder: Path) -> Iterator[None]:
    """Start a job from the login node; it ends with the testbed."""
    environment = of_mpi(trial.mpi)
    command = (environment.python, str(trial.program.path), *trial.variant.arguments)
    job = MpiJob(RANKS, command, hosts=bed.nodes, ranks_per_node=PER_NODE, forward=("HANGPROBE_MARKS",))
    line = environment.flavour.command_line(job)
    variables = {**os.environ, **line.unset(os.environ), "HANGPROBE_MARKS": str(folder)}
    with (folder / "launcher.out").open("wb") as output:
        process = subprocess.Popen(
            bed.command(LOGIN, line.arguments),
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        bed.down()
        process.wait(timeout=30)


def _await_stillness(folder: Path) -> None:
    """Wait until every rank has left marks, and no new one has come for a while."""
    until_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until_s:
        rows = [row for of_rank in marks(folder).values() for row in of_rank]
        last_s = max((row[0] for row in rows), default=time.monotonic())
        if len(marks(folder)) == RANKS and time.monotonic() - last_s > QUIET_S + WINDOW_S:
            return
        time.sleep(0.1)
    raise TimeoutError(f"the job has not begun: {(folder / 'launcher.out').read_text(errors='replace')[-2000:]}")


def _attach(bed: Testbed, folder: Path) -> tuple[Result, float]:
    """Look at the job once, as a user on the login node would."""
    target = folder / "result.json"
    nodes = f"node[01-{NODES:02}]"
    look = [sys.executable, "-m", "hangprobe", "attach", "--hosts", nodes, "--stall-after", f"{WINDOW_S:g}"]
    began_s = time.monotonic()
    done = subprocess.run(
        bed.command(LOGIN, [*look, "--json", str(target)]),
        capture_output=True,
        timeout=ATTACH_LIMIT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    took_s = time.monotonic() - began_s
    if not target.exists() or not target.stat().st_size:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return decode(target.read_bytes().splitlines()[0]), took_s


def page(rows: list[dict[str, Any]]) -> str:
    """Return the table as Markdown."""
    right = sum(row["right"] for row in rows)
    table = ["| MPI | program | right | hung ranks | tier | attach, s, median and worst |", "|---|---|---|---|---|---|"]
    for key in dict.fromkeys((row["mpi"], row["program"]) for row in rows):
        mine = [row for row in rows if (row["mpi"], row["program"]) == key]
        times = sorted(row["attach_s"] for row in mine)
        hung = ", ".join(sorted({row["hung"] for row in mine}))
        tiers = ", ".join(sorted({str(row["tier"]) for row in mine}))
        share = f"{sum(row['right'] for row in mine)} of {len(mine)}"
        table.append(
            f"| {key[0]} | {key[1]} | {share} | {hung} | {tiers} | {times[len(times) // 2]:.2f}, {times[-1]:.2f} |"
        )
    who = "root" if os.geteuid() == 0 else f"uid {os.geteuid()}"
    return "\n".join(
        [
            f"# Jobs on several nodes, as {who}",
            "",
            f"`scripts/bench nodes`: {right} of {len(rows)} looks right. Jobs of {RANKS} ranks on {NODES} nodes of a",
            "testbed, started over ssh and watched by nobody, looked at once by `hangprobe attach --hosts` with",
            f"`--stall-after {WINDOW_S:g}`. After each look the testbed went down and nothing of it was left.",
            "",
            *table,
            "",
            "## Machine",
            "",
            as_table(describe()),
            "",
        ]
    )
