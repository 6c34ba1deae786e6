"""`scripts/bench nodes`: hung jobs of 6 ranks on 3 nodes, started over ssh and watched by nobody, found by attach.

Each trial makes a testbed, starts a job on it from the login node with one of the three MPIs, waits until nothing in it
has moved for a while, looks at it once with `hangprobe attach --hosts`, takes the testbed down, and sees whether
anything is left. Right: verdict, tier, mechanism and hung ranks are the manifest's, and each rank is on its own node.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hangprobe.launch.environments import of_mpi
from hangprobe.launch.mpijob import MpiJob
from hangprobe.programs import load
from hangprobe.record import decode
from hangprobe.result import Result
from hangprobe.testbed.cluster import Testbed
from hangprobe.testbed.layout import LOGIN
from scripts.benchmarks import three_nodes
from scripts.benchmarks.jobs import marks
from scripts.benchmarks.machine import section, who
from scripts.benchmarks.three_nodes import NODES, PER_NODE, RANKS, WINDOW_S, Trial
from scripts.benchmarks.trials import Bench, Row, median_and_worst, share

QUIET_S = 1.0
"""After the last mark of a job that starts to hang, before it is looked at; the window comes on top."""
START_LIMIT_S = 60.0
ATTACH_LIMIT_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    three_nodes.add_arguments(parser, "results/local/nodes")


def main(options: argparse.Namespace) -> int:
    """Run what is missing, print the table, and return 0 if every trial was right."""
    bench = Bench(options.out)
    trials = three_nodes.plan(options, bench.rows)
    bench.begin(len(trials))
    for trial in trials:
        bench.add(one(trial), f"{trial.mpi} {trial.program}")
    return bench.finish(page(bench.rows))


def one(trial: Trial) -> Row:
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
    row = {**trial._asdict(), **three_nodes.told(result), "attach_s": round(took_s, 3)}
    return {**row, "right": three_nodes.is_right(row, bed.nodes)}


@contextmanager
def _job(trial: Trial, bed: Testbed, folder: Path) -> Iterator[None]:
    """Start a job from the login node; it ends with the testbed."""
    environment = of_mpi(trial.mpi)
    program = load()[trial.program]
    command = (environment.python, str(program.path), *program.variants[0].arguments)
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


def page(rows: list[Row]) -> str:
    """Return the table as Markdown."""
    table = ["| MPI | program | right | hung ranks | tier | attach, s, median and worst |", "|---|---|---|---|---|---|"]
    for mpi, program, mine in three_nodes.cells(rows):
        took = median_and_worst([row["attach_s"] for row in mine])
        hung, tiers = three_nodes.every(mine, "hung"), three_nodes.every(mine, "tier")
        table.append(f"| {mpi} | {program} | {share(mine)} | {hung} | {tiers} | {took} |")
    return "\n".join(
        [
            f"# Jobs on several nodes, as {who()}",
            "",
            f"`scripts/bench nodes`: {share(rows)} looks right. Jobs of {RANKS} ranks on {NODES} nodes of a",
            "testbed, started over ssh and watched by nobody, looked at once by `hangprobe attach --hosts` with",
            f"`--stall-after {WINDOW_S:g}`. After each look the testbed went down and nothing of it was left.",
            "",
            *table,
            "",
            *section(),
        ]
    )
